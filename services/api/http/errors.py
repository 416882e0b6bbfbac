"""Errors of HTTP itself: requests that cannot be read, and those that a limit of the server ends."""

from __future__ import annotations

from shared.errors import Conflict, Invalid, Missing, NotAllowed, Refusal, TooLarge, TooMany, Unprocessable


class ParametersInvalid(Invalid):
    """Parameters are missing or wrong: every problem of the request, each by the parameter's name."""

    code = "parameters_invalid"

    def __init__(self, *problems: str) -> None:
        super().__init__(", ".join(problems))


class Malformed(Invalid):
    """A text that nothing can be named: it has a NUL, or is no UTF-8."""

    code = "malformed"

    def __init__(self) -> None:
        super().__init__("Bad Request")


class BodyBroken(Invalid):
    """The body ends early, or is not in its encoding."""

    code = "body_broken"


class BodyTooLarge(TooLarge):
    """The body has more than ``limit`` bytes."""

    code = "body_too_large"

    def __init__(self, limit: int, *, what: str = "the body") -> None:
        super().__init__(f"Request Entity Too Large: {what} may have at most {limit} bytes")
        self.limit = limit


class MediaTypeUnsupported(Refusal):
    """The body has a type that no parameters are read from."""

    code = "media_type_unsupported"


class EncodingUnsupported(MediaTypeUnsupported):
    """The body is in an encoding that is not undone here (RFC 9110, section 8.4)."""

    code = "encoding_unsupported"


class RouteUnknown(Missing):
    """Nothing is at this address."""

    code = "route_unknown"

    def __init__(self) -> None:
        super().__init__("Not Found")


class MethodUnknown(NotAllowed):
    """The address does not take this method, but ``allowed``."""

    code = "method_not_allowed"

    def __init__(self, allowed: str) -> None:
        super().__init__("Not Allowed")
        self.allowed = allowed


class VersionGone(Refusal):
    """The version of the API is served no more."""

    code = "version_gone"

    def __init__(self) -> None:
        super().__init__("API V3 is no longer supported. Use API V4 instead.")


class Redirected(Refusal):
    """The resource has another address for good."""

    code = "redirected"

    def __init__(self, address: str) -> None:
        super().__init__(f"This resource has been moved permanently to {address}.")
        self.address = address


class ForeignForm(Refusal):
    """A page of another site sent the form."""

    code = "foreign_form"

    def __init__(self) -> None:
        super().__init__("Forbidden")


class TooManyStreams(TooMany):
    """The user has as many event streams as one may have."""

    code = "too_many_streams"


class KeyAtWork(Conflict):
    """A request with the same key of idempotency is at work."""

    code = "idempotency_key_at_work"


class AnswerNotKept(Conflict):
    """The request with the same key of idempotency was answered, and the answer is not kept."""

    code = "idempotency_answer_not_kept"


class KeyReused(Unprocessable):
    """Another request had the same key of idempotency."""

    code = "idempotency_key_reused"
