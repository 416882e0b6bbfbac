from __future__ import annotations

import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from shared.webhooks import signing

BODY = b'{"type":"com.crossdock.import.finished.v1"}'


def signed(*keys: bytes) -> dict[str, str]:
    return signing.signature_headers(BODY, message_id="7", timestamp=int(time.time()), keys=keys)


def test_the_standards_library_accepts_a_signature() -> None:
    secret = signing.new_secret()
    Webhook(signing.write_secret(secret)).verify(BODY, signed(secret))


def test_the_standards_own_example_is_signed_as_it_says() -> None:
    """Standard Webhooks, its reference libraries' test vector."""
    secret = signing.read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert secret is not None
    headers = signing.signature_headers(
        b'{"test": 2432232314}',
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        keys=[secret],
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_of_two_keys_signs() -> None:
    new, old = signing.new_secret(), signing.new_secret()
    for secret in (new, old):
        Webhook(signing.write_secret(secret)).verify(BODY, signed(new, old))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
def test_what_is_signed_is_more_than_the_body(name: str) -> None:
    secret = signing.new_secret()
    changed = {**signed(secret), name: str(int(time.time()) - 1)}
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.write_secret(secret)).verify(BODY, changed)


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_secret_is_read_as_it_is_written_with_the_prefix_or_without(size: int) -> None:
    secret = bytes(range(size))
    assert signing.read_secret(signing.write_secret(secret)) == secret
    assert signing.read_secret(signing.write_secret(secret).removeprefix("whsec_")) == secret


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec_AAAA",
        signing.write_secret(bytes(23)),
        signing.write_secret(bytes(65)),
        "whsec_" + "é" * 32,
    ],
)
def test_what_is_no_secret_is_not_read(text: str) -> None:
    assert signing.read_secret(text) is None


def test_new_secrets_differ() -> None:
    assert signing.new_secret() != signing.new_secret()
