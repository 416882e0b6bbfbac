"""Commands without their secrets: what is kept of those that were refused."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import structlog

from shared.broker.base import MAX_BODY_BYTES, Message
from shared.logs import describe
from shared.remote.masking import mask_url

_ADDRESSES = frozenset({"url", "part_urls", "complete_url", "abort_url", "get_url", "github_hostname"})
_SECRETS = frozenset(
    {
        "access_key_id",
        "secret_access_key",
        "session_token",
        "private_token",
        "access_token",
        "password",
        "personal_access_token",
    }
)
_HIDDEN = "*****"
_log = structlog.get_logger()


def without_secrets(message: Message) -> Message:
    """Mask the addresses and keys in a command; leave out a body that cannot be masked, or is too long.

    A command without any stays as it is, and can be replayed.
    """
    return replace(message, body=_body_without_secrets(message.body))


def _body_without_secrets(body: bytes) -> bytes:
    if len(body) <= MAX_BODY_BYTES:
        try:
            document = msgspec.json.decode(body)
            masked = _mask(document)
            return body if masked == document else msgspec.json.encode(masked)
        except Exception as error:  # noqa: BLE001  # the refusal must not fail: the command would come again
            _log.debug("command_not_masked", error=describe(error))
    return f"({len(body)} bytes that are no command were left out)".encode()


def _mask(value: object) -> object:
    match value:
        case dict():
            return {name: _mask_member(name, each) for name, each in value.items()}
        case list():
            return [_mask(each) for each in value]
        case _:
            return value


def _mask_member(name: str, value: object) -> object:
    if name in _SECRETS:
        return _HIDDEN
    if name in _ADDRESSES:
        return mask_url(value) if isinstance(value, str) else _HIDDEN
    return _mask(value)
