from __future__ import annotations

import json

import pytest

from services.api.queue.masking import without_secrets
from shared.broker.base import MAX_BODY_BYTES, Message

CANARY = "canary"
DATA = {
    "path": "p",
    "private_token": CANARY,
    "upload": {"url": f"https://ann:{CANARY}@s3.test/x?X-Amz-Signature={CANARY}", "http_method": "PUT"},
    "parts": {
        "part_urls": [f"https://s3.test/x?X-Amz-Signature={CANARY}"],
        **dict.fromkeys(("complete_url", "abort_url", "get_url"), f"https://s3.test/{CANARY}"),
    },
    "source": {
        "url": f"https://files.test/a.tar.gz?token={CANARY}",
        "s3": {"region": "r", "access_key_id": CANARY, "secret_access_key": CANARY, "session_token": CANARY},
    },
    "list": [{"url": [CANARY]}],
}


def _masked(body: bytes) -> bytes:
    message = Message(body, "m", "c", headers={"cloudEvents_id": "1"}, reply_to="r", user_id="u")
    kept = without_secrets(message)
    assert (kept.message_id, kept.headers, kept.reply_to) == ("m", {"cloudEvents_id": "1"}, "r")
    return kept.body


@pytest.mark.parametrize("document", [DATA, {"data": DATA}, [DATA]], ids=["data", "event", "list"])
def test_no_secret_is_left(document: object) -> None:
    assert CANARY.encode() not in _masked(json.dumps(document).encode())


def test_what_cannot_be_masked_is_left_out_and_can_be_refused_still(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str) -> str:
        raise IndexError(url)

    monkeypatch.setattr("services.api.queue.masking.mask_url", fail)
    kept = _masked(json.dumps(DATA).encode())
    assert kept.endswith(b"were left out)")
    assert CANARY.encode() not in kept


def test_what_is_no_secret_is_left_as_it_was() -> None:
    kept = json.loads(_masked(json.dumps(DATA).encode()))
    assert kept["path"] == "p"
    assert kept["upload"] == {"url": "https://*****@s3.test/*****", "http_method": "PUT"}
    assert kept["source"]["s3"]["region"] == "r"


@pytest.mark.parametrize(
    "body",
    [
        f"url={CANARY}".encode(),
        f'{{"url": "{CANARY}"'.encode(),
        f'"{CANARY}\xff"'.encode("latin-1"),
        b"[" * 30_000 + CANARY.encode(),
        b'{"a":' * 400 + f'"{CANARY}"'.encode() + b"}" * 399,
        json.dumps([CANARY * MAX_BODY_BYTES]).encode(),
    ],
    ids=["form", "cut", "bytes", "deep", "unclosed", "long"],
)
def test_of_what_is_no_command_nothing_is_left(body: bytes) -> None:
    assert CANARY.encode() not in _masked(body)
