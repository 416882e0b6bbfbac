"""What may be wrong with a repository on another server. No message has an address or a credential."""

from __future__ import annotations

from shared.errors import CrossdockError, Fault

_MINUTE = 60


class RepositoryError(CrossdockError):
    """A git server did not give the repository."""

    code = "git"
    fault = Fault.REMOTE

    def __init__(self, what: str, told: str = "") -> None:
        super().__init__(f"{what}: {told}" if told else what)


class RepositoryUnauthenticated(RepositoryError):
    """The git server wants credentials, or refuses those that it got: use a token that may read code."""

    code = "git_unauthenticated"

    def __init__(self, told: str, *, has_credentials: bool) -> None:
        wrong = "the git server refuses the credentials: GitHub and GitLab want a token as the password"
        none = "the git server wants credentials, or has no such repository, as private ones are hidden"
        super().__init__(wrong if has_credentials else none, told)


class RepositoryForbidden(RepositoryError):
    """The git server knows the credentials, and they may not read the repository."""

    code = "git_forbidden"

    def __init__(self, told: str) -> None:
        super().__init__("the credentials may not read the code of the repository", told)


class RepositoryNotFound(RepositoryError):
    """The git server has no repository at the address, or hides it from these credentials."""

    code = "git_not_found"

    def __init__(self, told: str) -> None:
        super().__init__("there is no repository at the address, or the credentials may not see it", told)


class RepositoryLimited(RepositoryError):
    """The git server has had too many requests: the next attempt waits as long as it says, or a minute."""

    code = "git_rate_limited"
    retryable = True

    def __init__(self, told: str, *, wait: int | None) -> None:
        after = "" if wait is None else f", for {wait} s"
        super().__init__(f"the git server takes no more requests for now{after}", told)
        self.wait = _MINUTE if wait is None else wait


class NoRepository(RepositoryError):
    """The address answers, and not by git's smart HTTP: it is that of a page, or of a dumb server."""

    code = "git_no_repository"

    def __init__(self, content_type: str) -> None:
        super().__init__(f"no git server with smart HTTP answers there, but something of type {content_type}")


class ServerRefused(RepositoryError):
    """The git server ended with an error of its own words, which the message has."""

    code = "git_server"
    retryable = True

    def __init__(self, told: str) -> None:
        super().__init__("the git server says", told)
        self.told = told


class ProtocolBroken(RepositoryError):
    """The answer of the git server is not as git's protocol has it, or of a kind that is not known here."""

    code = "git_protocol"

    def __init__(self, what: str) -> None:
        super().__init__("the git server's answer breaks the protocol", what)


class PackCut(RepositoryError):
    """The answer of the git server ended before its end."""

    code = "git_cut"
    retryable = True

    def __init__(self) -> None:
        super().__init__("the git server's answer ended before its end")


class RepositoryShallow(RepositoryError):
    """The repository is a shallow clone: commits lack their parents, so that nobody could clone its copy."""

    code = "git_shallow"

    def __init__(self) -> None:
        super().__init__("the repository there is a shallow clone, which lacks history: fetch --unshallow it")


class RepositoryIncomplete(RepositoryError):
    """The repository lacks commits or tags that its own references lead to: git fsck there tells which."""

    code = "git_incomplete"

    def __init__(self, reason: str) -> None:
        super().__init__("the repository there is incomplete, so that nobody could clone its copy", reason)


class RepositoryDamaged(RepositoryError):
    """The pack that the git server gave is damaged: its checksum or an object is wrong."""

    code = "git_damaged"

    def __init__(self, reason: str) -> None:
        super().__init__("the git server gave a damaged repository", reason)


class LfsObjectShort(RepositoryError):
    """An LFS object has fewer bytes than its pointer says."""

    code = "git_lfs_short"

    def __init__(self, lacks: int) -> None:
        super().__init__(f"it has {lacks} bytes fewer than its pointer says")


class TooManyRemoteReferences(RepositoryError):
    """The repository has more branches, tags and other references than are taken."""

    code = "git_too_many_references"

    def __init__(self, limit: str) -> None:
        super().__init__(f"the repository has more references than {limit}")
