"""What users asked for and what they were told, beside what is there at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tests.soak.plan import Wish


class Told(Enum):
    """What a user knows of a request."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """The connection was cut: it may have taken effect, once."""


@dataclass(slots=True)
class Asked:
    """A request: ``path`` is the name that it gave its project, ``archive`` the wish whose content it has.

    ``jobs`` are all that answers named; ``wrong`` has what was wrong in what the user got.
    """

    wish: Wish
    path: str = ""
    archive: Wish | None = None
    project: int | None = None
    target: str = ""
    told: Told = Told.UNKNOWN
    answer: str = ""
    sent: int = 0
    jobs: set[int] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    @property
    def correlation(self) -> str:
        """The id that the request had, and that its jobs and events have."""
        return f"soak-{self.wish.number}"


@dataclass(frozen=True, slots=True)
class SeenJob:
    """A job by its events: ``ends`` has how it ended, once for each time that it did."""

    id: int
    kind: str
    project: int
    correlation: str
    ends: tuple[str, ...] = ()
    error: str = ""
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class SeenProject:
    """A project: ``has_content`` where it has a snapshot, ``holds`` tells by number whose content that is."""

    id: int
    path: str
    has_content: bool
    holds: int | None = None


@dataclass(slots=True)
class Seen:
    """All that is there once everything has ended; jobs are in the order of their ends."""

    jobs: Sequence[SeenJob] = ()
    projects: Sequence[SeenProject] = ()
    uploads: Mapping[str, Sequence[str]] = field(default_factory=dict)
    orphans: Sequence[str] = ()
    lost: Sequence[str] = ()
    leases: int = 0
    locks: int = 0
    keys: int = 0
    deaths: Sequence[str] = ()
