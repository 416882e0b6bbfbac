"""Errors of HTTP itself: unreadable requests, and requests that exceed a limit of the server."""

from __future__ import annotations

from collections.abc import Iterable

from shared.admission import ShareUsed
from shared.errors import (
    Conflict,
    Invalid,
    Missing,
    NotAllowed,
    Refusal,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unprocessable,
)


class ParametersInvalid(Invalid):
    """Parameters are missing or invalid; the message names each one and its problem."""

    code = "parameters_invalid"

    def __init__(self, *problems: str) -> None:
        super().__init__(", ".join(problems))


class Malformed(Invalid):
    """The address or the header ``Sudo`` contains a NUL or is not valid UTF-8."""

    code = "malformed"

    def __init__(self) -> None:
        super().__init__("Bad Request")


class BodyBroken(Invalid):
    """The body ends early, or does not match its ``Content-Encoding``."""

    code = "body_broken"


class BodyTooLarge(TooLarge):
    """The body exceeds the size limit that the message names."""

    code = "body_too_large"

    def __init__(self, limit: int, *, what: str = "the body") -> None:
        super().__init__(f"Request Entity Too Large: {what} may have at most {limit} bytes")
        self.limit = limit


class MediaTypeUnsupported(Refusal):
    """The server reads no parameters from a body of this ``Content-Type``."""

    code = "media_type_unsupported"


class EncodingUnsupported(MediaTypeUnsupported):
    """The ``Content-Encoding`` of the body is not supported: use gzip or none (RFC 9110, section 8.4)."""

    code = "encoding_unsupported"


class TusVersionUnsupported(Refusal):
    """The header ``Tus-Resumable`` is missing, or has a version other than 1.0.0."""

    code = "tus_version_unsupported"

    def __init__(self) -> None:
        super().__init__("Tus-Resumable has to be 1.0.0")


class DraftVersionUnsupported(Refusal):
    """The header ``Upload-Draft-Interop-Version`` has a version that is not among those of the message."""

    code = "draft_version_unsupported"

    def __init__(self, known: Iterable[str]) -> None:
        super().__init__(f"Upload-Draft-Interop-Version has to be one of: {', '.join(known)}")


class RouteUnknown(Missing):
    """The API has no resource at this address."""

    code = "route_unknown"

    def __init__(self) -> None:
        super().__init__("Not Found")


class MethodUnknown(NotAllowed):
    """The address does not support this method; the header ``Allow`` lists those that it supports."""

    code = "method_not_allowed"

    def __init__(self, allowed: str) -> None:
        super().__init__("Not Allowed")
        self.allowed = allowed


class VersionGone(Refusal):
    """This version of the API is no longer available: use version 4."""

    code = "version_gone"

    def __init__(self) -> None:
        super().__init__("API V3 is no longer supported. Use API V4 instead.")


class Redirected(Refusal):
    """The resource has moved permanently to the address in the header ``Location``."""

    code = "redirected"

    def __init__(self, address: str) -> None:
        super().__init__(f"This resource has been moved permanently to {address}.")
        self.address = address


class ForeignForm(Refusal):
    """The form was sent by a page of another site."""

    code = "foreign_form"

    def __init__(self) -> None:
        super().__init__("Forbidden")


class SignInRefused(Unauthenticated):
    """The token signs nobody in: it is unknown, has ended, or has neither ``api`` nor ``read_api``."""

    code = "sign_in_refused"

    def __init__(self) -> None:
        super().__init__(
            "This token is unknown, does not hold any more, or has neither of the scopes api and read_api."
        )


class TooManyStreams(ShareUsed):
    """The user has the maximum number of open event streams: close one first."""

    code = "too_many_streams"


class KeyAtWork(Conflict):
    """A request with the same ``Idempotency-Key`` is still running: repeat this one later."""

    code = "idempotency_key_at_work"


class AnswerNotKept(Conflict):
    """The request with the same ``Idempotency-Key`` took effect, but its response was not stored."""

    code = "idempotency_answer_not_kept"


class TooManyKeys(TooMany):
    """The user has used as many values of ``Idempotency-Key`` as one user may within 24 hours."""

    code = "too_many_idempotency_keys"

    def __init__(self, limit: int, *, wait: int) -> None:
        super().__init__(f"over the limit of {limit} values of Idempotency-Key in 24 hours", wait=wait)


class KeyReused(Unprocessable):
    """A different request was sent with the same ``Idempotency-Key``: use a new key."""

    code = "idempotency_key_reused"
