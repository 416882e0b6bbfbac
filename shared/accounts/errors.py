"""What can be wrong with an account or a namespace."""

from __future__ import annotations

from shared.errors import CrossdockError, Fault
from shared.gitlab.visibility import Visibility


class UsernameTaken(CrossdockError):
    """A user, or a namespace, has this name already."""

    code = "username_taken"
    fault = Fault.CLIENT

    def __init__(self, username: str) -> None:
        super().__init__(f"the username {username!r} is taken")


class NamespaceGone(CrossdockError):
    """The namespace was deleted in the same moment."""

    code = "namespace_gone"
    fault = Fault.CLIENT


class NamespacePathTaken(CrossdockError):
    """Another namespace, or a project, has this full path already."""

    code = "namespace_path_taken"
    fault = Fault.CLIENT

    def __init__(self, full_path: str) -> None:
        super().__init__(f"the namespace {full_path!r} exists already")


class VisibilityRefused(CrossdockError):
    """What is above or below does not go with a visibility; the text is GitLab's."""

    code = "visibility_refused"
    fault = Fault.CLIENT

    def __init__(self, visibility: Visibility, reason: str) -> None:
        super().__init__(f"{visibility.word} is not allowed {reason}")

    @classmethod
    def by_parent(cls, visibility: Visibility, parent: Visibility) -> VisibilityRefused:
        """Say that the group above is less visible."""
        return cls(visibility, f"since the parent group has a {parent.word} visibility.")
