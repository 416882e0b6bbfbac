from __future__ import annotations

import gzip

import pytest

from shared.archive.budget import Budget, Work
from shared.archive.errors import ArchiveCostsTooMuch
from shared.archive.limits import Limits, Prices
from shared.archive.reader import ArchiveReader
from tests.support.archives import events, file, header, long_name, packed, pax, pax_record

NOTHING_FREE = Prices(gift=1)


def spent(work: Work, *, prices: Prices = NOTHING_FREE, received: int = 1000) -> int:
    """How much of one kind of work so many bytes pay for, beside the gift of one byte."""
    low, high = 0, 10_000_000
    while low < high:
        middle = (low + high + 1) // 2
        budget = Budget(prices)
        budget.earn(received - 1)
        try:
            budget.spend(work, middle)
        except ArchiveCostsTooMuch:
            high = middle - 1
        else:
            low = middle
    return low


@pytest.mark.parametrize(
    ("work", "each"), [(Work.LINES, 250), (Work.ENTRIES, 62), (Work.BYTES, 10**6), (Work.BRACKETS, 24_000)]
)
def test_a_byte_pays_for_so_much_and_no_more(work: Work, each: int) -> None:
    assert spent(work) == each


def test_parsed_bytes_are_paid_for_once_more_up_to_their_own_ratio() -> None:
    budget = Budget(NOTHING_FREE)
    budget.earn(999)
    for _ in range(165):
        budget.spend(Work.BYTES, 1000)
        budget.spend(Work.PARSED, 1000)
    assert budget.cost == budget.limit == 1000
    with pytest.raises(ArchiveCostsTooMuch):
        budget.spend(Work.PARSED, 1)


def test_all_work_is_paid_from_one_account() -> None:
    budget = Budget(Prices(gift=100))
    budget.spend(Work.LINES, 13)
    budget.spend(Work.ENTRIES, 2)
    with pytest.raises(ArchiveCostsTooMuch):
        budget.spend(Work.BYTES, 16_001)


def test_what_was_overdrawn_is_named_with_the_limit() -> None:
    budget = Budget(Prices(gift=1000))
    budget.earn(24)
    with pytest.raises(ArchiveCostsTooMuch) as caught:
        budget.spend(Work.LINES, 257)
    assert (caught.value.what, caught.value.limit, caught.value.code) == (
        "lines", 1024, "archive_costs_too_much",
    )  # fmt: skip
    assert str(caught.value) == (
        "the archive costs too much work for its size, reached by 257 lines: all so far count as 1028 bytes, "
        "over the limit of 1024, of which 24 were sent"
    )


def test_ten_million_generated_issues_pass_three_times_over() -> None:
    issues, compressed, ratio, brackets = 10**7, 15, 10, 2
    budget = Budget(Prices())
    budget.earn(issues * compressed)
    budget.spend(Work.BYTES, issues * compressed * ratio)
    budget.spend(Work.PARSED, issues * compressed * ratio)
    budget.spend(Work.LINES, issues)
    budget.spend(Work.BRACKETS, issues * brackets)
    assert budget.cost * 3 <= budget.limit


def counted(*parts: bytes, limits: Limits | None = None) -> Budget:
    """What reading these parts of a tar has cost, at a byte an entry and nothing for anything else."""
    prices = Prices(gift=10**6, entry=1, ratio=10**9)
    budget = Budget(prices)
    list(events(packed(*parts), limits=limits, budget=budget))
    return budget


@pytest.mark.parametrize(
    ("parts", "entries"),
    [
        ([file("a")], 1),
        ([file("a"), file("b")], 2),
        ([file("a/b/c/d")], 4),
        ([file("a/b/c/d"), file("a/b/c/e")], 5),
        ([file("a/"), file("a/b")], 2),
        ([file("a/b/")], 2),
        ([file("a/"), file("a/"), file("a/")], 3),
        ([header(b"./", kind=b"5"), header(b"./", kind=b"5")], 2),
        ([file("._litter"), file("a")], 2),
        ([long_name(b"./" + b"n" * 200), header(b"./nnn")], 2),
        ([pax(*[pax_record(b"comment", b"")] * 50), header(b"./a")], 52),
        ([pax(pax_record(b"comment", b""), kind=b"g"), header(b"./a")], 3),
        ([header(b"label", kind=b"V"), header(b"./a")], 2),
    ],
)
def test_every_header_record_and_implied_directory_is_an_entry(parts: list[bytes], entries: int) -> None:
    assert counted(*parts).cost == entries + 1  # its bytes are less than one, rounded up


def test_names_that_are_kept_are_no_more_than_their_bytes_pay_for() -> None:
    budget = Budget(Prices(gift=32_000))
    reader = ArchiveReader(Limits(), budget)
    tar = b"".join(long_name(b"./%d" % n + b"/d" * 900 + b"/f") + header(b"./x") for n in range(50))
    with pytest.raises(ArchiveCostsTooMuch, match="entries"):
        list(reader.feed(gzip.compress(tar)))
    assert len(reader._tar._names._directories) <= budget.limit // 16 + 901
