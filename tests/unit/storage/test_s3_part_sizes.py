from __future__ import annotations

import pytest

from shared.storage.s3_part_sizes import MAX_PART, MAX_PARTS, MIB, MIN_PART, PartSizes, equal_parts

GIB = 1024 * MIB
TIB = 1024 * GIB
DEFAULT = PartSizes()


def sizes(given: PartSizes) -> list[int]:
    return [given.of(number) for number in range(1, MAX_PARTS + 1)]


def test_an_object_of_up_to_6_gib_has_parts_of_5_mib_alone() -> None:
    assert sum(sizes(DEFAULT)[:1280]) == 6.25 * GIB
    assert set(sizes(DEFAULT)[:1280]) == {5 * MIB}


def test_after_these_the_size_doubles_with_every_thousand_parts() -> None:
    for number, size in ((1280, 5), (1281, 10), (2280, 10), (2281, 20), (9281, 2560), (10_000, 2560)):
        assert DEFAULT.of(number) == size * MIB, number
    assert sizes(DEFAULT) == sorted(sizes(DEFAULT))


def test_the_largest_object_of_s3_has_no_more_parts_than_it_may_have() -> None:
    assert DEFAULT.total == sum(sizes(DEFAULT))
    assert 4 * TIB < DEFAULT.total < 5 * TIB


@pytest.mark.parametrize("first", [MIN_PART, 8 * MIB, 9 * MIB + 1, 16 * MIB, 512 * MIB, MAX_PART])
def test_every_part_is_one_that_s3_takes_and_at_most_a_640th_of_what_is_before_it(first: int) -> None:
    before = 0
    for size in sizes(PartSizes(first=first)):
        assert MIN_PART <= size <= MAX_PART
        assert size == first or size * 640 <= before
        before += size


@pytest.mark.parametrize("first", [8 * MIB, 16 * MIB, 5 * GIB])
def test_no_object_ends_before_5_tib(first: int) -> None:
    assert PartSizes(first=first).total >= 5 * TIB


def test_equal_parts_are_equal_and_end_an_object_sooner() -> None:
    assert set(sizes(equal_parts(8 * MIB))) == {8 * MIB}
    assert equal_parts(8 * MIB).total == 10_000 * 8 * MIB


@pytest.mark.parametrize("first", [MIN_PART - 1, MAX_PART + 1])
def test_a_part_that_s3_would_refuse_is_no_setting(first: int) -> None:
    with pytest.raises(ValueError, match="S3 takes parts of"):
        PartSizes(first=first)
