"""What a peer answers, reduced to what is used of it."""

from __future__ import annotations

from datetime import datetime

import msgspec


class PeerUser(msgspec.Struct, frozen=True):
    """The user of a token. Only administrators are told that they are one."""

    username: str
    is_admin: bool = False


class PeerToken(msgspec.Struct, frozen=True):
    """A token, as GitLab tells it of itself."""

    name: str = ""
    scopes: tuple[str, ...] = ()
    expires_at: str | None = None


class PeerVersion(msgspec.Struct, frozen=True):
    """The version of a GitLab; a Crossdock says so by its revision."""

    version: str = ""
    revision: str = ""

    @property
    def is_crossdock(self) -> bool:
        """Whether the peer is a Crossdock."""
        return self.revision == "crossdock"


class PeerGroup(msgspec.Struct, frozen=True):
    """A group of a peer, or the namespace of a user there."""

    id: int


class PeerProject(msgspec.Struct, frozen=True):
    """A project of a peer."""

    id: int
    path_with_namespace: str
    last_activity_at: datetime | None = None


class PeerExport(msgspec.Struct, frozen=True):
    """The export of a project by the user of the token, in GitLab's words."""

    export_status: str


class PeerFailure(msgspec.Struct, frozen=True):
    """A record that an import at the peer left out. Only some versions tell the message."""

    relation_name: str | None = None
    exception_class: str | None = None
    exception_message: str | None = None


class PeerImport(msgspec.Struct, frozen=True):
    """An import at the peer, in GitLab's words. Of the records that it left out GitLab tells the last 100."""

    id: int
    path_with_namespace: str = ""
    import_status: str = "none"
    import_error: str | None = None
    failed_relations: tuple[PeerFailure, ...] = ()
