"""What of a relation was left out, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.errors import ArchiveError

FAILURE_LIMIT = 100_000
"""Failures of one import: a few MiB of nonsense must not fill Postgres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What of a relation was left out, and why; ``line_number`` counts from 0."""

    relation: str
    line_number: int | None
    exception_class: str
    message: str
    source: str = "process_relation_item!"
    external_identifiers: Mapping[str, object] = field(default_factory=dict)


class TooManyFailures(ArchiveError):
    """So much of the archive is unusable that the rest is not worth having."""

    code = "too_many_failures"

    def __init__(self, relation: str) -> None:
        super().__init__(f"over the limit of {FAILURE_LIMIT} failed records, reached in {relation}")


class FailureLog(Protocol):
    """Keeps failures, or some of them."""

    async def add(self, failure: Failure) -> None:
        """Take a failure. Raises TooManyFailures."""
