from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.assembly import stretches as joining
from shared.assembly.blocks import BlockCorrupt, BlockReader
from shared.assembly.item_reader import read_items
from shared.assembly.layout import LayoutItem
from shared.assembly.stretches import GAP, stretches
from shared.errors import StorageError
from shared.ledger.blocks import StoredBlocks
from shared.storage.checksums import BLOCK, WIDTH
from shared.storage.composition import ObjectRange
from tests.support.counting import CountingStore, flip
from tests.support.objects import pattern

SIZE = 3 * BLOCK + 500


class Ledger:
    """The checksums of the objects of a test, as their writers gave them."""

    def __init__(self) -> None:
        self.known: dict[str, StoredBlocks] = {}

    async def find(self, key: str, *, first: int, count: int) -> StoredBlocks | None:
        found = self.known.get(key)
        return found and StoredBlocks(found.size, found.crc32s[first * WIDTH : (first + count) * WIDTH])


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    return CountingStore(tmp_path)


@pytest.fixture
async def ledger(store: CountingStore) -> Ledger:
    ledger = Ledger()
    for key in ("a", "b"):
        async with store.create(key) as writer:
            await writer.write(pattern(SIZE))
            await writer.commit()
            ledger.known[key] = StoredBlocks(SIZE, writer.crc32s)
    return ledger


async def _each(items: list[LayoutItem]) -> AsyncIterator[LayoutItem]:
    for item in items:
        yield item


async def _bytes(blocks: BlockReader, items: list[LayoutItem]) -> bytes:
    return b"".join([piece async for piece in read_items(blocks, _each(items))])


def _expected(items: list[LayoutItem]) -> bytes:
    data = pattern(SIZE)
    return b"".join(
        data[item.position : item.end] if isinstance(item, ObjectRange) else item for item in items
    )


async def test_a_range_of_an_object_is_the_slice_of_it(store: CountingStore, ledger: Ledger) -> None:
    blocks = BlockReader(store, ledger.find)
    for start, length in [(0, SIZE), (5, 10), (BLOCK, BLOCK), (BLOCK - 1, 2), (SIZE - 3, 3), (0, BLOCK + 1)]:
        items: list[LayoutItem] = [ObjectRange("a", start, length)]
        assert await _bytes(blocks, items) == _expected(items)


@pytest.mark.parametrize("position", [0, BLOCK - 1, BLOCK, 2 * BLOCK + 77, SIZE - 1])
async def test_no_byte_of_a_block_that_is_wrong_is_given(
    store: CountingStore, ledger: Ledger, tmp_path: Path, position: int
) -> None:
    flip(tmp_path / "a", position)
    corrupt: list[str] = []
    blocks = BlockReader(store, ledger.find, on_corrupt=lambda: corrupt.append("a"))
    got = bytearray()

    async def receive() -> None:
        async for piece in read_items(blocks, _each([b"lead", ObjectRange("a", 7, SIZE - 7)])):
            got.extend(piece)

    with pytest.raises(BlockCorrupt) as raised:
        await receive()
    block = position // BLOCK
    assert (raised.value.key, raised.value.block, corrupt) == ("a", block, ["a"])
    assert len(got) <= 4 + max(block * BLOCK - 7, 0)
    assert got == (b"lead" + pattern(SIZE)[7:])[: len(got)]


async def test_a_bit_that_is_wrong_is_found_before_the_range_or_after_it(
    store: CountingStore, ledger: Ledger, tmp_path: Path
) -> None:
    flip(tmp_path / "a", 2 * BLOCK - 1)
    blocks = BlockReader(store, ledger.find)
    with pytest.raises(BlockCorrupt):
        await _bytes(blocks, [ObjectRange("a", BLOCK + 5, 10)])
    assert await _bytes(blocks, [ObjectRange("a", 0, BLOCK)]) == pattern(BLOCK)


async def test_an_object_without_checksums_is_read_as_it_is(
    store: CountingStore, ledger: Ledger, tmp_path: Path
) -> None:
    ledger.known.clear()
    flip(tmp_path / "a", 3)
    assert len(await _bytes(BlockReader(store, ledger.find), [ObjectRange("a", 0, 100)])) == 100
    assert store.reads == [("a", 0, 100)]


async def test_an_object_that_is_shorter_than_the_ledger_says_is_an_error(
    store: CountingStore, ledger: Ledger, tmp_path: Path
) -> None:
    with (tmp_path / "a").open("r+b") as file:
        file.truncate(SIZE - 1)
    with pytest.raises(StorageError):
        await _bytes(BlockReader(store, ledger.find), [ObjectRange("a", 3 * BLOCK, 1)])


async def test_runs_with_small_gaps_are_one_request(store: CountingStore, ledger: Ledger) -> None:
    items: list[LayoutItem] = []
    for number in range(100):
        items += [b"header", ObjectRange("a", number * 30_000, 10_000)]
    assert await _bytes(BlockReader(store, ledger.find), items) == _expected(items)
    assert len(store.reads) == 1


def test_a_gap_is_read_up_to_64_kib_after_the_last_block() -> None:
    near, far = ObjectRange("a", BLOCK + GAP, 1), ObjectRange("a", BLOCK + GAP + 1, 1)
    assert list(stretches([ObjectRange("a", 5, 2), near])) == [ObjectRange("a", 5, BLOCK + GAP + 1 - 5)]
    assert list(stretches([ObjectRange("a", 5, 2), far])) == [ObjectRange("a", 5, 2), far]


@pytest.mark.parametrize("second", [ObjectRange("b", 7, 1), ObjectRange("a", 6, 1), ObjectRange("a", 0, 2)])
def test_runs_of_another_object_or_further_forward_are_not_joined(second: ObjectRange) -> None:
    assert list(stretches([ObjectRange("a", 5, 2), second])) == [ObjectRange("a", 5, 2), second]


def test_a_stretch_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "LONGEST", 10)
    assert list(stretches([ObjectRange("a", 5, 25)])) == [
        ObjectRange("a", 5, 10),
        ObjectRange("a", 15, 10),
        ObjectRange("a", 25, 5),
    ]


@given(st.data())
async def test_any_runs_in_any_order_come_as_they_are_named(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    store, ledger = CountingStore(tmp_path_factory.mktemp("store")), Ledger()
    async with store.create("a") as writer:
        await writer.write(pattern(SIZE))
        await writer.commit()
    if data.draw(st.booleans()):
        ledger.known["a"] = StoredBlocks(SIZE, writer.crc32s)
    runs = st.tuples(st.integers(0, SIZE - 1), st.integers(0, 2 * BLOCK)).map(
        lambda place: ObjectRange("a", place[0], min(place[1], SIZE - place[0]))
    )
    items: list[LayoutItem] = data.draw(st.lists(st.one_of(st.binary(max_size=50), runs), max_size=8))
    assert await _bytes(BlockReader(store, ledger.find), items) == _expected(items)


async def test_small_pieces_are_gathered(store: CountingStore, ledger: Ledger) -> None:
    items: list[LayoutItem] = [ObjectRange("a", number * 100, 50) for number in range(20_000)]
    pieces = [piece async for piece in read_items(BlockReader(store, ledger.find), _each(items))]
    assert min(map(len, pieces[:-1])) >= 256 * 1024
    assert len(store.reads) <= 5


async def test_scattered_runs_come_in_their_order(store: CountingStore, ledger: Ledger) -> None:
    places = [(1_000_000, 700_000), (0, 10), (10, 20), (30, 1), (500, 400_000), (999_999, 1)]
    items: list[LayoutItem] = [ObjectRange("b", start, length) for start, length in places]
    assert await _bytes(BlockReader(store, ledger.find), items) == _expected(items)
