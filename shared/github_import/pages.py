"""The pages that an import from GitHub has fetched, as rows: it goes on behind the last one of each list.

They go when the job ends, whichever way (``delete_github_pages`` in ``functions.sql``); those that are kept
for the next import of the repository go with it, or with time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import msgspec
from isal import isal_zlib
from msgspec import Raw

from shared.database.pool import Pool, Row
from shared.errors import LeaseLost
from shared.github.pages import Seen
from shared.github.statistics import ObjectType
from shared.jobs.models import Lease
from shared.shielding import work_through

_LEVEL = 1
_AT_ONCE = 2
"""Bodies that are read by one statement: of most lists there is one, and none is asked for behind it."""
_ERRORS_AT_ONCE = 500

# Whoever ends the job waits for the row, and deletes the page with the others, or this finds it ended.
_ADD = """WITH held AS (
    SELECT id FROM jobs WHERE id = $1 AND lease = $2 AND state = 'running' FOR NO KEY UPDATE)
INSERT INTO github_pages (job_id, page, cursor, next, etag, fetched, error, list, items, size, body)
SELECT held.id, $3, $4, CASE WHEN rank = 1 THEN $5 END, CASE WHEN rank = 1 THEN $6 END,
       CASE WHEN rank = 1 THEN $7::jsonb ELSE '{}' END, CASE WHEN rank = 1 THEN $8 END,
       list, items, size, body
FROM held, unnest($9::text[], $10::int[], $11::int[], $12::bytea[])
    WITH ORDINALITY AS each (list, items, size, body, rank)"""


# The last import of the same repository that has kept its pages, into the project or one that it replaces.
_EARLIER = """SELECT before.id FROM jobs now
LEFT JOIN projects replaced ON replaced.id <> now.project_id
    AND lower(replaced.path) = lower(substring(now.payload ->> 'replaces' FROM '[^/]*$'))
    AND replaced.namespace_id = (SELECT namespace_id FROM projects WHERE id = now.project_id)
JOIN jobs before ON before.project_id IN (now.project_id, replaced.id)
    AND before.payload #> '{github,repository_id}' = now.payload #> '{github,repository_id}'
    AND before.payload #> '{github,api}' = now.payload #> '{github,api}'
WHERE now.id = $1 AND before.id < now.id AND before.kind = now.kind AND before.state = 'finished'
    AND EXISTS (SELECT FROM github_pages WHERE job_id = before.id) ORDER BY before.id DESC LIMIT 1"""

# The page itself, and, with a pattern for their names, the pages of other lists that have its items.
_COPY = """WITH held AS (
    SELECT id FROM jobs WHERE id = $1 AND lease = $2 AND state = 'running' FOR NO KEY UPDATE)
INSERT INTO github_pages (job_id, page, cursor, next, etag, fetched, error, list, items, size, body)
SELECT held.id, $3, $4, CASE WHEN list = $7 THEN $5 END, etag, fetched, NULL, list, items, size, body
FROM held, github_pages WHERE job_id = $6 AND page = $8 AND (list = $7 OR list ~ $9)
RETURNING fetched, size"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPage:
    """One page of a list, the ``number``-th from 0; ``cursor`` is what it was asked by, empty for the first.

    ``next`` is the cursor of the next page. ``fetched`` counts what is in it. ``error`` says why the list
    ends here, though it has not come to its end. ``parts`` are items that are kept as pages of other lists.
    """

    list: str
    number: int
    cursor: str = ""
    next: str | None = None
    etag: str | None = None
    items: Sequence[Raw] = ()
    fetched: Mapping[ObjectType, int] = field(default_factory=dict)
    error: str | None = None
    parts: Mapping[str, Sequence[Raw]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a list has come: its pages, the cursor of the next one, and the error that has ended it."""

    pages: int = 0
    next: str | None = None
    error: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing more is to be fetched of it."""
        return self.pages > 0 and (self.next is None or self.error is not None)


@dataclass(frozen=True, slots=True)
class Whole:
    """The items of a list, and the error that has ended it, if one has."""

    items: Sequence[Raw]
    error: str | None


@dataclass(frozen=True, slots=True)
class SeenPage:
    """A page that an earlier import has kept: its number there, and what it is asked for by."""

    number: int
    seen: Seen


class PageStore:
    """The pages of one job: ``count`` of them, of ``size`` bytes in all, as GitHub gave them."""

    def __init__(self, pool: Pool, lease: Lease) -> None:
        self._pool = pool
        self._lease = lease
        self.fetched: Counter[ObjectType] = Counter()
        self.count = self.size = 0
        self._earlier: int | None = None

    async def load(self) -> None:
        """Read what attempts before have counted, and find what an earlier import has kept."""
        rows = await self._pool.fetch(
            """SELECT key, sum(value::bigint)::bigint AS count
               FROM github_pages, jsonb_each_text(fetched) WHERE job_id = $1 GROUP BY key""",
            self._lease.job_id,
        )
        self.fetched = Counter({ObjectType(row["key"]): row["count"] for row in rows})
        [(self.count, self.size)] = await self._pool.fetch(
            "SELECT count(*), coalesce(sum(size), 0)::bigint FROM github_pages WHERE job_id = $1",
            self._lease.job_id,
        )
        self._earlier = await self._pool.fetchval(_EARLIER, self._lease.job_id)

    async def add(self, page: FetchedPage) -> None:
        """Keep a page. Raises LeaseLost where the job is another's by now, or has ended."""
        lists = {page.list: page.items, **page.parts}
        bodies = [_joined(items) for items in lists.values()]
        packed = [None if len(body) == len(b"[]") else await work_through(body, _compress) for body in bodies]
        sizes = [len(body) for body in bodies]
        counts = [sum(map(len, lists.values())), *(len(items) for items in page.parts.values())]
        fetched = {kind.value: count for kind, count in page.fetched.items()}
        status = await self._pool.execute(
            _ADD, self._lease.job_id, self._lease.token, page.number, page.cursor, page.next, page.etag,
            fetched, page.error and page.error.replace("\0", "\\0"), list(lists), counts, sizes, packed,
        )  # fmt: skip
        if status.endswith(" 0"):
            raise LeaseLost(self._lease.job_id)
        self.fetched.update(page.fetched)
        self.count += len(lists)
        self.size += sum(sizes)

    async def seen(self, lists: Iterable[str], *, page_size: int) -> dict[str, dict[str, SeenPage]]:
        """Give the pages of lists that an earlier import has kept, by their cursors, empty for the first."""
        found: dict[str, dict[str, SeenPage]] = {}
        if self._earlier is None:
            return found
        rows = await self._pool.fetch(
            """SELECT list, page, cursor, next, etag FROM github_pages
               WHERE job_id = $1 AND list = ANY($2) AND etag IS NOT NULL AND error IS NULL
               AND (next IS NOT NULL OR items < $3)""",
            self._earlier, list(lists), page_size,
        )  # fmt: skip
        for row in rows:
            page = SeenPage(row["page"], Seen(row["etag"], row["next"]))
            found.setdefault(row["list"], {})[row["cursor"]] = page
        return found

    async def copy(self, page: FetchedPage, *, of: int, parts: str | None = None) -> None:
        """Keep a page that is as the one of the number ``of`` was, with the ``parts`` of such names.

        Raises LeaseLost as ``add`` does.
        """
        rows = await self._pool.fetch(
            _COPY, self._lease.job_id, self._lease.token, page.number, page.cursor, page.next, self._earlier,
            page.list, of, parts,
        )  # fmt: skip
        if not rows:
            raise LeaseLost(self._lease.job_id)
        self.count += len(rows)
        for row in rows:
            self.fetched.update({ObjectType(name): count for name, count in row["fetched"].items()})
            self.size += row["size"]

    async def reached(self, lists: Iterable[str]) -> dict[str, Reached]:
        """Tell how far lists have come; one of which there is nothing is not in the answer."""
        rows = await self._pool.fetch(
            """SELECT DISTINCT ON (list) list, page, next, error FROM github_pages
               WHERE job_id = $1 AND list = ANY($2) ORDER BY list, page DESC""",
            self._lease.job_id, list(lists),
        )  # fmt: skip
        return {row["list"]: Reached(row["page"] + 1, row["next"], row["error"]) for row in rows}

    async def pages(self, name: str) -> AsyncGenerator[Sequence[Raw], None]:
        """Give the items of a list, page by page, of which two are in memory at once."""
        last = -1
        while rows := await self._read(name, behind=last):
            for row in rows:
                yield await _items(row)
            if len(rows) < _AT_ONCE:
                return
            last = rows[-1]["page"]

    async def first(self, name: str) -> Raw | None:
        """Give the first item of a list."""
        async with aclosing(self.pages(name)) as pages:
            async for items in pages:
                if items:
                    return items[0]
        return None

    async def whole(self, name: str, *, most: int) -> Whole:
        """Give a list at once, and no more pages of it than begin within ``most`` bytes."""
        items: list[Raw] = []
        size, last = 0, -1
        while rows := await self._read(name, behind=last):
            for row in rows:
                if size > most:
                    return Whole(items, f"over the limit of {most} bytes")
                items += await _items(row)
                size += row["size"]
                if row["error"] is not None:
                    return Whole(items, row["error"])
            if len(rows) < _AT_ONCE:
                break
            last = rows[-1]["page"]
        return Whole(items, None)

    async def errors(self) -> AsyncGenerator[tuple[str, str], None]:
        """Give the lists that an error has ended, with that, some at a time."""
        last = ""
        while rows := await self._pool.fetch(
            """SELECT list, error FROM github_pages
               WHERE job_id = $1 AND list > $2 AND error IS NOT NULL ORDER BY list LIMIT $3""",
            self._lease.job_id, last, _ERRORS_AT_ONCE,
        ):  # fmt: skip
            for row in rows:
                yield row["list"], row["error"]
            last = rows[-1]["list"]

    async def every(self) -> AsyncGenerator[tuple[str, Sequence[Raw]], None]:
        """Give the names and the items of all pages, in the order of names."""
        place: tuple[str, int] | None = ("", -1)
        while place is not None:
            rows = await self._pool.fetch(
                """SELECT list, page, body FROM github_pages
                   WHERE job_id = $1 AND (list, page) > ($2, $3) ORDER BY list, page LIMIT $4""",
                self._lease.job_id, *place, _AT_ONCE,
            )  # fmt: skip
            for row in rows:
                yield row["list"], await _items(row)
            place = (rows[-1]["list"], rows[-1]["page"]) if rows else None

    async def _read(self, name: str, *, behind: int) -> Sequence[Row]:
        return await self._pool.fetch(
            """SELECT page, size, error, body FROM github_pages
               WHERE job_id = $1 AND list = $2 AND page > $3 ORDER BY page LIMIT $4""",
            self._lease.job_id, name, behind, _AT_ONCE,
        )  # fmt: skip


def _joined(items: Sequence[Raw]) -> bytes:
    return b"".join((b"[", b",".join(map(bytes, items)), b"]"))


def _compress(body: bytes) -> bytes:
    return bytes(isal_zlib.compress(body, _LEVEL))


async def _items(row: Row) -> Sequence[Raw]:
    return () if row["body"] is None else await work_through(row["body"], _unpack)


def _unpack(body: bytes) -> Sequence[Raw]:
    return msgspec.json.decode(isal_zlib.decompress(body), type=tuple[Raw, ...])
