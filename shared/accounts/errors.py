"""Errors of accounts and namespaces."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import Conflict, CrossdockError, Denied, Fault, Unauthenticated
from shared.gitlab.visibility import Visibility


class TokenUnusable(Unauthenticated):
    """The token was valid before, and is not any more (RFC 6750, section 3.1)."""

    code = "token_unusable"


class TokenExpired(TokenUnusable):
    """The token has expired."""

    code = "token_expired"

    def __init__(self) -> None:
        super().__init__("Token is expired. You can either do re-authorization or token refresh.")


class TokenRevoked(TokenUnusable):
    """The token was revoked."""

    code = "token_revoked"

    def __init__(self) -> None:
        super().__init__("Token was revoked. You have to re-authorize from the user.")


class ScopeInsufficient(Denied):
    """The token has none of the scopes ``accepted``."""

    code = "insufficient_scope"

    def __init__(self, accepted: Sequence[str]) -> None:
        super().__init__("The request requires higher privileges than provided by the access token.")
        self.accepted = tuple(accepted)


class UserBlocked(Denied):
    """An administrator has blocked the user, and can unblock it."""

    code = "user_blocked"

    def __init__(self) -> None:
        super().__init__("Your account has been blocked.")


class UsernameTaken(Conflict):
    """A user or a namespace with this name exists already."""

    code = "username_taken"

    def __init__(self, username: str) -> None:
        super().__init__(f"the username {username!r} is taken")


class IdentityTaken(Conflict):
    """The subject of the provider is another user already."""

    code = "identity_taken"

    def __init__(self) -> None:
        super().__init__("the account at the provider belongs to another user")


class NamespaceGone(CrossdockError):
    """The namespace was deleted at the same moment."""

    code = "namespace_gone"
    fault = Fault.CLIENT


class NamespacePathTaken(CrossdockError):
    """Another namespace, or a project, has this full path already."""

    code = "namespace_path_taken"
    fault = Fault.CLIENT

    def __init__(self, full_path: str) -> None:
        super().__init__(f"the namespace {full_path!r} exists already")


class VisibilityRefused(CrossdockError):
    """The visibility does not fit that of a group above or of content below; the text is GitLab's."""

    code = "visibility_refused"
    fault = Fault.CLIENT

    def __init__(self, visibility: Visibility, reason: str) -> None:
        super().__init__(f"{visibility.word} is not allowed {reason}")

    @classmethod
    def by_parent(cls, visibility: Visibility, parent: Visibility) -> VisibilityRefused:
        """Make the error for a parent group that is less visible."""
        return cls(visibility, f"since the parent group has a {parent.word} visibility.")
