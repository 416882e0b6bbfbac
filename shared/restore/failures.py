"""What of a relation was left out, and why; and the one limit of how much may be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.errors import ArchiveError

FAILURE_LIMIT = 100_000
"""Failures of one import: a few MiB of nonsense must not fill Postgres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What of a relation was left out, and why.

    ``line_number`` counts from 0; it is None where a whole file was left out.
    """

    relation: str
    line_number: int | None
    exception_class: str
    message: str
    source: str = "process_relation_item!"
    external_identifiers: Mapping[str, object] = field(default_factory=dict)


class TooManyFailures(ArchiveError):
    """So much of the archive is unusable that the rest is not worth having."""

    code = "too_many_failures"

    def __init__(self, relation: str, *, limit: int) -> None:
        super().__init__(f"over the limit of {limit} failed records, reached in {relation}")


class FailureLog(Protocol):
    """Takes failures, of which there may be so many."""

    async def add(self, failure: Failure) -> None:
        """Take a failure. Raises TooManyFailures."""


class LimitedFailures:
    """FailureLog that counts failures, and hands those within the limit to ``keep``."""

    def __init__(self, keep: Callable[[Failure], Awaitable[None]]) -> None:
        self._keep = keep
        self.count = 0

    async def add(self, failure: Failure) -> None:
        """See FailureLog."""
        self.count += 1
        if self.count > FAILURE_LIMIT:
            raise TooManyFailures(failure.relation, limit=FAILURE_LIMIT)
        await self._keep(failure)
