"""Whatever an archive holds: the steps that it takes are those that its bytes pay for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import igzip

from shared.archive import tar_reader
from shared.archive.budget import Budget, Work
from shared.archive.errors import ArchiveCostsTooMuch
from shared.archive.gzip_reader import STEP
from shared.archive.limits import Prices
from shared.archive.names import NameSet
from shared.errors import ArchiveError
from shared.git.bundle_header import BundleHeader
from shared.restore import relations
from shared.restore.failures import LimitedFailures
from shared.restore.intake import KEEPING, RELATION, EntryIntake
from shared.restore.relations import RelationReceiver
from shared.snapshots.rows import Rows
from tests.support.archives import file, header, pax, pax_record
from tests.support.nasty import HUGE, empty_members, nasty
from tests.support.projects import MINIMAL
from tests.support.restoring import restore
from tests.support.samples.table import GOOD, packed

PRICES = replace(Prices(), gift=16 * 1024)
MOST_IN_A_NAME = 1300
"""Directories that one name of 2600 bytes implies: all are kept before they are paid for."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """What is done with an archive, counted where it is done and not where it is paid for."""
    counted: Counter[str] = Counter()

    def count(owner: Any, name: str, what: str) -> None:
        done = getattr(owner, name)

        def counting(*args: Any, **more: Any) -> Any:
            counted[what] += 1
            return done(*args, **more)

        monkeypatch.setattr(owner, name, counting)

    count(relations, "check_line", "lines")
    count(tar_reader, "parse_header", "headers")
    count(NameSet, "_add", "names")
    count(EntryIntake, "open", "kept")
    count(RelationReceiver, "__init__", "relations")
    count(Rows, "withdraw", "withdrawn")
    count(LimitedFailures, "add", "failures")
    count(BundleHeader, "_read_line", "references")
    return counted


async def cost(pieces: Iterator[bytes] | list[bytes]) -> tuple[Budget, str]:
    """The budget after an archive, and what came of it."""
    budget = Budget(PRICES)
    try:
        await restore(pieces, budget)
    except ArchiveError as error:
        return budget, error.code
    return budget, "imported"


@pytest.mark.parametrize("what", HUGE)
async def test_the_nastiest_archives_take_no_more_steps_than_they_pay_for(
    steps: Counter[str], what: str
) -> None:
    budget, _ = await cost(nasty(what, 8 * 1024))
    assert steps["lines"] * PRICES.line <= budget.limit
    assert steps["references"] * PRICES.line <= budget.limit
    kept = steps["kept"] - 1 + steps["withdrawn"] - 1 + max(0, steps["failures"] - steps["lines"])
    relations = RELATION * (steps["relations"] - 1)
    assert (steps["headers"] + KEEPING * kept + relations) * PRICES.entry <= budget.limit
    assert steps["names"] <= budget.limit // PRICES.entry + MOST_IN_A_NAME
    assert budget._done[Work.BYTES] <= budget.limit * PRICES.ratio + STEP


@pytest.mark.parametrize(
    ("what", "overdrawn"),
    [
        ("blank lines", Work.LINES),
        ("long lines of spaces", Work.PARSED),
        ("wide nesting", Work.BRACKETS),
        ("references of a bundle", Work.LINES),
        ("objects of a bundle", Work.LINES),
        ("large objects of a bundle", Work.LINES),
        ("an index of LFS objects", Work.PARSED),
        ("small files", Work.ENTRIES),
        ("folders that are implied", Work.ENTRIES),
        ("records of PAX headers", Work.ENTRIES),
    ],
)
async def test_it_is_told_what_there_was_too_much_of(what: str, overdrawn: Work) -> None:
    free = 10**9
    parsed = PRICES.parsed_ratio if overdrawn is Work.PARSED else free
    budget = Budget(replace(PRICES, ratio=free, parsed_ratio=parsed))
    with pytest.raises(ArchiveCostsTooMuch) as caught:
        await restore(nasty(what, 32 * 1024), budget)
    assert caught.value.what == overdrawn.value


async def test_gzip_members_without_content_pay_by_their_own_bytes() -> None:
    budget, code = await cost(empty_members(1024))
    assert (budget.cost, code) == (0, "archive_invalid")


LINE = st.sampled_from([b"\n", b"\r\n", b"null\n", b"{}\n", b"x\n", b'{"title":"t"}\n', b"[[[]]]\n", b" \n"])
PART = st.one_of(
    st.builds(
        lambda number, line, times: file(f"tree/project/r{number}.ndjson", line * times),
        st.integers(0, 10**6), LINE, st.integers(0, 9000),
    ),
    st.builds(
        lambda number, times: b"".join(file(f"uploads/{number}/{n}") for n in range(times)),
        st.integers(0, 10**6), st.integers(0, 1500),
    ),
    st.builds(lambda number, size: file(f"uploads/z{number}", bytes(size)), st.integers(0, 10**6),
              st.integers(0, 2**22)),
    st.builds(lambda depth: file("/".join(["d"] * depth) + "/f"), st.integers(1, 40)),
    st.builds(lambda n: pax(*[pax_record(b"comment", b"")] * n) + header(b"./p"), st.integers(1, 900)),
    st.builds(lambda times: header(b"./", kind=b"5") * times, st.integers(0, 1500)),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(PART, max_size=6))
async def test_any_mixture_is_refused_exactly_where_it_costs_more_than_it_pays_for(
    parts: list[bytes],
) -> None:
    tar = b"".join([*(file(name, data) for name, data in MINIMAL), *parts, bytes(1024)])
    budget, code = await cost([igzip.compress(tar, 1)])
    assert (budget.cost > budget.limit) == (code == "archive_costs_too_much")
    assert budget.cost <= budget.limit + PRICES.line * STEP


async def test_good_archives_pay_for_four_times_what_they_cost() -> None:
    for name in GOOD.keys() - {"bomb"}:
        budget = Budget(Prices())
        await restore([packed(name)], budget)
        assert budget.cost * 4 < budget.limit, name
