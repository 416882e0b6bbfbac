from __future__ import annotations

import pytest

from services.api.http.parameters import ParameterReader


@pytest.mark.parametrize("value", [{}, [], 1, True, "secret"])
def test_a_choice_is_one_of_the_texts_and_nothing_else_breaks_the_check(value: object) -> None:
    reader = ParameterReader({"visibility": value})

    assert reader.visibility() is None
    assert reader.problems == ["visibility does not have a valid value"]
