"""Takes repaired lines back: those that are records now become content, the others get their new reason.

A relation that gets records is written anew, and all else is shared with the content before: that takes as
long as the import of one relation, and a request may take ten minutes. The lines are held in memory, by as
many requests at once as hold documents.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from shared.admission import Holder
from shared.archive.budget import Budget
from shared.archive.errors import ArchiveTooLarge
from shared.archive.limits import Limits
from shared.database.pool import Pool
from shared.database.transactions import transaction
from shared.errors import ArchiveError
from shared.gitlab.iids import Iids
from shared.gitlab.json_document import DOCUMENT_LIMIT
from shared.gitlab.layout import relation_file
from shared.gitlab.record_check import iid_of
from shared.gitlab.relations import SINGLE
from shared.jobs.progress import RelationProgress
from shared.projects.content import ProjectGone
from shared.records.features import read_features
from shared.records.reader import find_relation, whole_relation
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failures import Failure, LimitedFailures
from shared.restore.relations import RelationReceiver
from shared.settings.archive_limits import LimitsProvider
from shared.shielding import work_through
from shared.snapshots import appending, lifecycle, quarantine
from shared.snapshots.body import BodyWriter
from shared.snapshots.contents import make_manifest_digest
from shared.snapshots.derived import open_derived
from shared.snapshots.errors import SnapshotGone, SnapshotOutdated
from shared.snapshots.quarantine import QuarantinedLine
from shared.snapshots.reading import keep_for_reading, keep_prolonged
from shared.snapshots.sinks import RelationSink
from shared.snapshots.writer import SnapshotWriter, write_into
from shared.storage.base import ObjectStore
from shared.usecases.documents import Documents
from shared.usecases.errors import (
    ContentRefused,
    ContentTooLarge,
    ImportUnfinished,
    NotFound,
    SnapshotConflict,
)
from shared.usecases.relation_imports import is_importing

SHOWN = 100
"""The number of lines that are refused again which the response shows; further ones are only counted."""

_NOT_ONE_LINE = "not_json", "a record is one line"
_NOTHING = "not_an_object", "a record is a JSON object, not null or white space"
_TAKEN = "duplicate", "Validation failed: Iid has already been taken"
_SECOND = "duplicate", "the project has the one record of this relation"


@dataclass(frozen=True, slots=True)
class RepairedLine:
    """A line of the quarantine by its id, and its bytes as they are to be now."""

    id: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """How many lines are content now, by relation, and how many refused again, of which the first are shown.

    ``unknown`` are lines that the quarantine does not have, perhaps as they were repaired before.
    """

    imported: Mapping[str, int]
    refused: int
    unknown: int
    shown: Sequence[QuarantinedLine]


@dataclass(slots=True)
class _Judged:
    """The lines of one relation, sorted into records and those that are refused again."""

    good: list[QuarantinedLine] = field(default_factory=list)
    refused: list[QuarantinedLine] = field(default_factory=list)

    def refuse(self, line: QuarantinedLine, code: str, reason: str) -> None:
        """Refuse a line, which is not among the good ones."""
        self.refused.append(line._replace(code=code, reason=reason))


_ByRelation = Mapping[str, _Judged]


class QuarantineRepairs:
    """Imports repaired lines into the project that has them, all by one transaction."""

    def __init__(
        self, pool: Pool, store: ObjectStore, *, limits: LimitsProvider, documents: Documents
    ) -> None:
        self._pool = pool
        self._store = store
        self._limits = limits
        self._documents = documents

    async def repair(
        self, project_id: int, lines: AsyncIterator[RepairedLine], *, holder: Holder
    ) -> Repaired:
        """Import lines, up to 50 MiB of them. ``holder`` takes the place of a document.

        Raises ContentTooLarge, ContentRefused, ImportUnfinished, SnapshotConflict, NotFound, and the errors
        of ``lines`` and of ``Documents``. Nothing has changed then.
        """
        async with self._documents.hold(holder):
            try:
                return await self._repair(project_id, await _collect(lines))
            except (SnapshotOutdated, SnapshotGone) as error:
                raise SnapshotConflict(error) from None
            except ProjectGone:
                raise NotFound("Project") from None
            except ArchiveTooLarge as error:
                raise ContentTooLarge(error) from None
            except ArchiveError as error:
                raise ContentRefused(error) from None

    async def _repair(self, project_id: int, given: Mapping[int, bytes]) -> Repaired:
        base = await lifecycle.current(self._pool, project_id)
        if base is None:
            return Repaired(imported={}, refused=0, unknown=len(given), shown=())
        async with keep_for_reading(self._pool, base):
            found = await quarantine.find_lines(self._pool, base, list(given))
            limits = await self._limits()
            judged = {name: await _judge(of, limits) for name, of in _by_relation(found, given).items()}
            if any(each.good for each in judged.values()):
                await self._import(project_id, base, judged)
            if not any(each.good for each in judged.values()):
                async with transaction(self._pool) as db:
                    await quarantine.replace_lines(db, base, _refused(judged))
                    await quarantine.settle(db, base)
        refused = _refused(judged)
        return Repaired(
            imported={name: len(each.good) for name, each in judged.items() if each.good},
            refused=len(refused),
            unknown=len(given) - len(found),
            shown=refused[:SHOWN],
        )

    async def _import(self, project_id: int, base: int, judged: _ByRelation) -> None:
        """Make a snapshot with the good lines, and commit it where any of them can be added."""
        names = [name for name, each in judged.items() if each.good]
        but = [relation_file(name) for name in names]
        snapshot_id, rows = await open_derived(self._pool, project_id=project_id)
        async with keep_prolonged(self._pool, snapshot_id):
            async with write_into(
                self._pool, self._store, rows=rows, snapshot_id=snapshot_id, packed_up_to=0,
                layout=BodyWriter(rows.add),
            ) as writer:  # fmt: skip
                await appending.share_apart(self._pool, base=base, snapshot_id=snapshot_id, but=but)
                await writer.share_body(base, but=but)
                for name in names:
                    await _Rewriting(self._pool, self._store, writer, name).write(base, judged[name])
                await writer.close()
            if any(judged[name].good for name in names):
                await self._commit(project_id, base, writer, judged)

    async def _commit(self, project_id: int, base: int, writer: SnapshotWriter, judged: _ByRelation) -> None:
        snapshot_id = writer.snapshot_id
        features = await read_features(self._pool, self._store, snapshot_id)
        content_sha256 = await make_manifest_digest(self._pool, snapshot_id)
        async with transaction(self._pool) as db:
            await lifecycle.commit_on_base(
                db, base=base, snapshot_id=snapshot_id, project_id=project_id, features=features,
                body=writer.body, content_sha256=content_sha256,
            )  # fmt: skip
            # The project's row is locked: a retry of an import locks it too, before it looks for content.
            if await is_importing(db, project_id):
                raise ImportUnfinished
            good = [line.id for each in judged.values() for line in each.good]
            await quarantine.share(db, base=base, snapshot_id=snapshot_id, but=good)
            await quarantine.replace_lines(db, snapshot_id, _refused(judged))
            await quarantine.settle(db, snapshot_id)


async def _collect(lines: AsyncIterator[RepairedLine]) -> dict[int, bytes]:
    """Hold all lines; of several with one id the last. Raises ArchiveTooLarge."""
    given, size = dict[int, bytes](), 0
    async for line in lines:
        size += len(line.data)
        if size > DOCUMENT_LIMIT or len(given) > quarantine.MOST_LINES:
            raise ArchiveTooLarge("repaired lines", limit=DOCUMENT_LIMIT)
        given[line.id] = line.data
    return given


def _by_relation(
    found: Sequence[QuarantinedLine], given: Mapping[int, bytes]
) -> dict[str, list[QuarantinedLine]]:
    """Give the lines as they are to be, those of each relation in the order in which they were refused."""
    lines: dict[str, list[QuarantinedLine]] = {}
    for line in found:
        data = given[line.id].removesuffix(b"\n")
        lines.setdefault(line.relation, []).append(line._replace(data=data, size=len(data)))
    return lines


def _refused(judged: _ByRelation) -> list[QuarantinedLine]:
    return [line for each in judged.values() for line in each.refused]


class _Refusals:
    """A LineSink that keeps which lines of a relation are refused, by their numbers."""

    def __init__(self) -> None:
        self.by_number: dict[int, QuarantinedLine] = {}

    async def write(self, lines: Sequence[bytes], *, records: bool = True) -> None:
        """See LineSink: what is not refused is good."""

    async def refuse(self, lines: Sequence[QuarantinedLine]) -> None:
        """See LineSink."""
        self.by_number.update((each.line, each) for each in lines)

    async def commit(self) -> None:
        """See LineSink."""


async def _judge(lines: Sequence[QuarantinedLine], limits: Limits) -> _Judged:
    """Check lines of one relation as an import does."""
    judged, whole = _Judged(), list[QuarantinedLine]()
    for line in lines:
        data = line.data or b""
        if b"\n" in data:
            judged.refuse(line, *_NOT_ONE_LINE)
        elif data.strip() in (b"", b"null"):
            judged.refuse(line, *_NOTHING)
        else:
            whole.append(line)
    refusals = await _check(whole, limits)
    for number, line in enumerate(whole):
        why = refusals.get(number)
        if why is None:
            judged.good.append(line)
        else:
            judged.refuse(line, why.code, why.reason)
    return judged


async def _check(lines: Sequence[QuarantinedLine], limits: Limits) -> Mapping[int, QuarantinedLine]:
    """Give why lines are refused, by their numbers among ``lines``."""
    refusals, budget = _Refusals(), Budget(limits.prices)
    budget.earn(sum(each.size for each in lines))
    receiver = RelationReceiver(
        lines[0].relation if lines else "", refusals, limits=limits, budget=budget,
        failures=LimitedFailures(_forget, _forget), count=RelationProgress(), yielder=EventLoopYielder(),
    )  # fmt: skip
    for line in lines:
        await receiver.write((line.data or b"") + b"\n")
    await receiver.close()
    return refusals.by_number


async def _forget(_: Failure | str) -> None: ...


class _Rewriting:
    """Writes one relation anew: what is there, then the good lines, but for those that the project has."""

    def __init__(self, pool: Pool, store: ObjectStore, writer: SnapshotWriter, relation: str) -> None:
        self._pool = pool
        self._store = store
        self._writer = writer
        self._relation = relation
        self._known = Iids()
        self._records = 0
        self._yielder = EventLoopYielder()

    async def write(self, base: int, judged: _Judged) -> None:
        """Write it. Lines that cannot be added are refused. Raises IidsScattered."""
        found = await find_relation(self._pool, base, self._relation)
        mtime = found.placed.entry.mtime if found else int(time.time())
        sink = self._writer.relation(relation_file(self._relation), mtime)
        if found is not None:
            async with aclosing(whole_relation(self._pool, self._store, found)) as kept:
                async for line, is_record in kept:
                    await self._keep(sink, line, is_record=is_record)
        good, judged.good = judged.good, []
        for new in good:
            record = new.data or b""
            why = await self._obstacle(record)
            if why is None:
                judged.good.append(new)
                await sink.write([record + b"\n"])
            else:
                judged.refuse(new, *why)
        await sink.commit()

    async def _keep(self, sink: RelationSink, line: bytes, *, is_record: bool) -> None:
        if is_record:
            self._records += 1
            await work_through(line, self._is_new)
        elif self._relation in SINGLE:
            return  # the record takes the place of null
        # The last line of the project need not end with a newline, but others follow it now.
        await sink.write([line if line.endswith(b"\n") else line + b"\n"], records=is_record)
        await self._yielder.yield_if_due()

    async def _obstacle(self, record: bytes) -> tuple[str, str] | None:
        """Give why a record cannot be added: code and reason."""
        if self._relation in SINGLE and self._records:
            return _SECOND
        if not await work_through(record, self._is_new):
            return _TAKEN
        self._records += 1
        return None

    def _is_new(self, record: bytes) -> bool:
        iid = iid_of(record, relation=self._relation)
        return iid is None or self._known.add(iid)
