"""Failures: the lines and files that an import leaves out, and the one limit of their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.errors import ArchiveError

FAILURE_LIMIT = 100_000
"""Failures of one import: a few MiB of bad lines must not fill Postgres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A line or a file that an import leaves out, and why.

    ``line_number`` counts from 0; it is None where a whole file is left out.
    """

    relation: str
    line_number: int | None
    exception_class: str
    message: str
    source: str = "process_relation_item!"
    external_identifiers: Mapping[str, object] = field(default_factory=dict)


class TooManyFailures(ArchiveError):
    """So many records of the archive are unusable that importing the rest is not worthwhile."""

    code = "too_many_failures"

    def __init__(self, relation: str, *, limit: int) -> None:
        super().__init__(f"over the limit of {limit} failed records, reached in {relation}")


class FailureLog(Protocol):
    """Records failures, up to a limit."""

    @property
    def count(self) -> int:
        """How many there are by now."""

    async def add(self, failure: Failure) -> None:
        """Record a failure. Raises TooManyFailures."""

    async def withdraw(self, relation: str) -> None:
        """Forget the failed lines of a relation, of which another file follows."""


class LimitedFailures:
    """FailureLog that counts failures, and passes those within the limit to ``keep``.

    ``withdrawn`` forgets the failed lines of a relation. They count for the limit, but not in ``count``.
    """

    def __init__(
        self, keep: Callable[[Failure], Awaitable[None]], withdrawn: Callable[[str], Awaitable[None]]
    ) -> None:
        self._keep = keep
        self._withdrawn = withdrawn
        self._added = 0
        self._lines: Counter[str] = Counter()  # failed ones, by relation
        self.count = 0

    async def add(self, failure: Failure) -> None:
        """See FailureLog."""
        self.count += 1
        self._added += 1
        if self._added > FAILURE_LIMIT:
            raise TooManyFailures(failure.relation, limit=FAILURE_LIMIT)
        if failure.line_number is not None:
            self._lines[failure.relation] += 1
        await self._keep(failure)

    async def withdraw(self, relation: str) -> None:
        """See FailureLog."""
        if lines := self._lines.pop(relation, 0):
            self.count -= lines
            await self._withdrawn(relation)


def is_of_lines(failure: Failure, relation: str) -> bool:
    """Tell whether the failure is of a line of the relation."""
    return failure.relation == relation and failure.line_number is not None
