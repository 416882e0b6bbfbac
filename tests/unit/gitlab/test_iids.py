from __future__ import annotations

import pytest

from shared.gitlab.iids import MOST_PAGES, Iids, IidsScattered


def test_a_number_is_new_once() -> None:
    iids = Iids()
    numbers = [0, 1, 7, 8, 65_535, 65_536, 10**18]
    assert all(iids.add(number) for number in numbers)
    assert not any(iids.add(number) for number in numbers)


def test_numbers_too_far_apart_are_refused_rather_than_kept() -> None:
    iids = Iids()
    for page in range(MOST_PAGES):
        iids.add(page << 16)
    assert iids.add(1)
    with pytest.raises(IidsScattered):
        iids.add(MOST_PAGES << 16)
