from __future__ import annotations

import pytest

from services.api.http.parameters import Checker


@pytest.mark.parametrize("value", [{}, [], 1, True, "secret"])
def test_a_choice_is_one_of_the_texts_and_nothing_else_breaks_the_check(value: object) -> None:
    checker = Checker({"visibility": value})

    assert checker.visibility() is None
    assert checker.problems == ["visibility does not have a valid value"]
