from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.credit import Credit


def test_a_peer_that_moves_nothing_runs_out_after_its_stock() -> None:
    credit = Credit(rate=10, most=60)
    credit.spend(59)
    assert not credit.is_out
    credit.spend(1)
    assert credit.is_out


def test_what_was_moved_quickly_does_not_pay_for_hours_of_silence() -> None:
    credit = Credit(rate=10, most=60)
    credit.earn(1_000_000)
    assert credit.left == 60


@given(st.lists(st.integers(0, 50), max_size=200))
def test_a_peer_never_runs_out_while_each_byte_comes_in_its_time(waits: list[int]) -> None:
    credit = Credit(rate=10, most=60)
    for seconds in waits:
        credit.spend(seconds)
        assert not credit.is_out
        credit.earn(seconds * 10)


@given(st.lists(st.integers(1, 50), min_size=121, max_size=200))
def test_a_peer_at_half_the_rate_runs_out_when_it_has_wasted_its_stock(waits: list[int]) -> None:
    credit = Credit(rate=10, most=60)
    for seconds in waits:
        credit.spend(seconds)
        credit.earn(seconds * 5)
    assert credit.is_out
