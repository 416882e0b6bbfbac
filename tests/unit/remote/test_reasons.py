from __future__ import annotations

import json

import pytest
from yarl import URL

from shared.remote.reasons import LARGEST, reason_of

SIGNATURE = "5f2c9d0e5f2c9d0e"
TARGET = URL(
    f"https://user:pass-word@s3.example.com/bucket/secret-key.tar.gz?X-Amz-Signature={SIGNATURE}&x=1"
)
S3 = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{}</Code><Message>{}</Message><RequestId>A</RequestId></Error>"""


def _google(message: str) -> str:
    return json.dumps({"error": {"code": 403, "message": message, "errors": [{"reason": "forbidden"}]}})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (S3.format("AccessDenied", "Request has expired"), "AccessDenied: Request has expired"),
        ("\ufeff" + S3.format("AuthenticationFailed", "a &lt;b&gt;\n c"), "AuthenticationFailed: a <b> c"),
        (_google("no access"), "403: no access"),
        ('{"error":{"code":403,"status":"PERMISSION_DENIED","message":"m"}}', "PERMISSION_DENIED: m"),
        ('{"error":{"code":"AuthorizationFailure","message":"m"}}', "AuthorizationFailure: m"),
        ("<Error><Code>SlowDown</Code></Error>", "SlowDown"),
        ("<html><h1>403 Forbidden</h1></html>", ""),
        ('{"error":"no"}', ""),
        ('{"error":{"message":', ""),
        ("", ""),
    ],
)
def test_the_code_and_the_message_of_an_error_are_found(body: str, reason: str) -> None:
    assert reason_of(body.encode(), TARGET) == reason


@pytest.mark.parametrize(
    "secret",
    [
        SIGNATURE,
        "pass-word",
        "secret-key.tar.gz",
        "/bucket/secret-key.tar.gz",
        f"X-Amz-Signature={SIGNATURE}&x=1",
    ],
)
def test_nothing_secret_of_the_address_is_repeated(secret: str) -> None:
    told = reason_of(S3.format("NoSuchKey", f"no {secret} here").encode(), TARGET)
    assert secret not in told
    assert told.startswith("NoSuchKey: no ")


def test_other_addresses_are_shown_by_their_host_alone() -> None:
    told = reason_of(S3.format("Moved", "see https://a.example.com/x/y?token=z now").encode(), TARGET)
    assert told == "Moved: see https://a.example.com/***** now"


def test_what_cannot_be_printed_is_a_blank_and_a_long_message_is_cut() -> None:
    assert reason_of(S3.format("C", "a\x1b[31m\u202eb").encode(), TARGET) == "C: a [31m b"
    assert len(reason_of(S3.format("C", "x" * 1000).encode(), TARGET)) == 300


def test_no_more_than_the_beginning_is_looked_at_and_no_entity_is_expanded() -> None:
    assert reason_of(b" " * LARGEST + S3.format("C", "m").encode(), TARGET) == ""
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + S3.format("C", "&b;")
    assert reason_of(bomb.encode(), TARGET) == "C: &b;"


def test_bytes_that_are_no_text_are_no_error() -> None:
    assert reason_of(b"\xff<Code>C</Code><Message>\xfe</Message>", TARGET) == "C: \ufffd"
