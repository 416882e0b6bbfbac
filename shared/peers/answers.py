"""What a peer answers, reduced to what is used of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec

Number: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
"""The number of a project or a group: one that Postgres can keep."""

FullPath: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=1024, pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){1,20}$")
]
"""The full path of a project, as GitLab has it: up to 20 groups above it."""


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

    id: Number


class PeerProject(msgspec.Struct, frozen=True):
    """A project of a peer."""

    id: Number
    path_with_namespace: FullPath
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

    id: Number
    path_with_namespace: str = ""
    import_status: str = "none"
    import_error: str | None = None
    failed_relations: tuple[PeerFailure, ...] = ()
