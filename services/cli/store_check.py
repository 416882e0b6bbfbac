"""Checks the object storage against the index, beside a server that may be running."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from datetime import timedelta

from msgspec.structs import replace

from services.cli.admin_results import CheckResult, FindingResult
from services.cli.errors import CommandError, ServerUnreachable, UsageError
from services.cli.formats import counted
from services.cli.results import MOST_LISTED
from services.cli.terminal import print_result, say
from shared.audit.auditor import AuditCount, Auditor, IsRead
from shared.audit.findings import Finding
from shared.audit.repairs import Repairs
from shared.database.pool import Pool
from shared.errors import StorageError
from shared.storage.base import ObjectStore

_SUBSET = re.compile(r"(?P<percent>\d{1,3}(?:\.\d+)?)%|(?P<number>\d{1,9})/(?P<count>\d{1,9})")
_ALL = 100


class CheckFailed(CommandError):
    """The store or the index is not as it should be."""

    code = "check_failed"

    def __init__(self, result: CheckResult) -> None:
        super().__init__(counted(sum(result.counts.values()), "finding"))
        self.document = replace(result, error=str(self), error_code=self.code)


def choose(*, read_data: bool, subset: str | None) -> IsRead:
    """Return which objects are read: all, none, or those of the ``subset``. Raises UsageError."""
    return parse_subset(subset) if subset is not None else lambda _: read_data


def print_finding(finding: Finding) -> None:
    """Print a finding as one line."""
    print_result(str(finding))


def say_nothing(_finding: Finding) -> None:
    """Print nothing of a finding."""


def parse_subset(subset: str) -> IsRead:
    """Return what is read of ``N%``, a random part, or ``n/t``, part n of t parts. Raises UsageError."""
    found = _SUBSET.fullmatch(subset)
    if found and found["percent"] and 0 < float(found["percent"]) <= _ALL:
        part = float(found["percent"]) / _ALL
        return lambda _: random.random() < part  # noqa: S311  # no secret
    if found and found["number"] and 0 < int(found["number"]) <= int(found["count"]):
        number, count = int(found["number"]), int(found["count"])
        return lambda known: known.id % count == number % count
    raise UsageError(f"{subset!r} is no part: give N% or n/t, as 10% or 3/30")


async def check(  # by keyword
    pool: Pool,
    store: ObjectStore,
    *,
    is_read: IsRead,
    first: int,
    repairs: bool,
    grace: timedelta,
    found: Callable[[Finding], None],
) -> CheckResult:
    """Check everything; each finding is given to ``found`` at once.

    Raises CheckFailed and ServerUnreachable.
    """
    auditor = Auditor(pool, store, grace=grace)
    counts, listed = Counter[str](), list[FindingResult]()
    findings = _findings(auditor.audit(is_read, first=first), Repairs(pool) if repairs else None)
    with _tell_place(auditor.count):
        async with aclosing(findings):
            async for finding in findings:
                counts[finding.kind.value] += 1
                if len(listed) < MOST_LISTED:
                    listed.append(FindingResult.of(finding))
                found(finding)
    count = auditor.count
    result = CheckResult(
        objects=count.objects, read=count.read, bytes=count.bytes, counts=counts, findings=listed
    )
    if counts:
        raise CheckFailed(result)
    return result


@contextmanager
def _tell_place(count: AuditCount) -> Iterator[None]:
    """Say where a check that does not come to its end can go on."""
    try:
        yield
    except BaseException as error:
        if count.following:
            say(f"Go on with --start {count.following}")
        if isinstance(error, StorageError):
            raise ServerUnreachable(f"the object storage does not answer: {error}") from error
        raise


async def _findings(
    audited: AsyncGenerator[Finding, None], repairs: Repairs | None
) -> AsyncGenerator[Finding, None]:
    async with aclosing(audited):
        async for finding in audited:
            yield await repairs.repair(finding) if repairs else finding
