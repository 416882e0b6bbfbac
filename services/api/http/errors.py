"""Answers that are errors, in GitLab's two dialects: ``message`` (helpers) and ``error`` (validation)."""

from __future__ import annotations

from collections.abc import Mapping

from shared.errors import CrossdockError, Fault


class ApiError(CrossdockError):
    """An answer of ``status`` with ``body`` as JSON, or as plain text where it is a string."""

    code = "api"
    fault = Fault.CLIENT

    def __init__(self, status: int, body: object, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = headers or {}


class Refused(ApiError):
    """``{"message": ...}``: what GitLab's API helpers answer."""

    def __init__(self, status: int, message: object, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, {"message": message}, headers=headers)


class ParametersInvalid(ApiError):
    """``{"error": "a is missing, b is invalid"}``: what GitLab's parameter validation answers."""

    def __init__(self, *problems: str) -> None:
        super().__init__(400, {"error": ", ".join(problems)})


class Malformed(ApiError):
    """400 of texts that nothing can be named: a NUL in them, or no UTF-8."""

    def __init__(self) -> None:
        super().__init__(400, {"error": "400 Bad Request"})


class TooLarge(ApiError):
    """The body is longer than ``limit`` bytes; plain text, as it is GitLab's proxy that says so."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(413, f"Request Entity Too Large: {what} may have at most {limit} bytes\n")


class NotFound(Refused):
    """404 of a resource: ``404 Project Not Found``."""

    def __init__(self, resource: str = "") -> None:
        super().__init__(404, f"404 {resource} Not Found" if resource else "404 Not Found")


class Moved(ApiError):
    """301: the resource has another address for good; plain text, as GitLab has it."""

    def __init__(self, address: str) -> None:
        text = f"This resource has been moved permanently to {address}."
        super().__init__(301, text, headers={"Location": address})


class Forbidden(Refused):
    """403, and why where GitLab says so."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(403, f"403 Forbidden - {reason}" if reason else "403 Forbidden")


class Unauthorized(Refused):
    """401 where no user is known."""

    def __init__(self) -> None:
        super().__init__(401, "401 Unauthorized")


class TokenUnusable(ApiError):
    """401 of a token that did hold once (RFC 6750, section 3.1)."""

    def __init__(self, description: str) -> None:
        challenge = (
            f'Bearer realm="Protected by OAuth 2.0", error="invalid_token", error_description="{description}"'
        )
        super().__init__(
            401,
            {"error": "invalid_token", "error_description": description},
            headers={"WWW-Authenticate": challenge},
        )


class ScopeInsufficient(ApiError):
    """403 of a token whose scopes are none of ``accepted``."""

    def __init__(self, accepted: str) -> None:
        description = "The request requires higher privileges than provided by the access token."
        super().__init__(
            403, {"error": "insufficient_scope", "error_description": description, "scope": accepted}
        )
