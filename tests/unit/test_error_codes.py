from __future__ import annotations

import re
from collections import Counter

import pytest

from services.api.http.status import status_of
from services.api.pages.problems import all_problems
from shared.errors import CrossdockError, Refusal
from tests.support.error_codes import FILE, coded, table


def test_the_table_of_codes_is_that_of_the_classes() -> None:
    assert FILE.read_text() == table(), "make codes writes it anew"


def test_every_code_has_its_page() -> None:
    assert set(all_problems()) == {each.code for each in coded()}


def test_no_two_errors_have_one_code() -> None:
    assert [code for code, count in Counter(each.code for each in coded()).items() if count > 1] == []


@pytest.mark.parametrize("error", coded(), ids=lambda each: each.__name__)
def test_a_code_is_plain_and_its_error_says_what_it_means(error: type[CrossdockError]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", error.code)
    assert error.__doc__


@pytest.mark.parametrize(
    "kind", [each for each in coded() if issubclass(each, Refusal)], ids=lambda each: each.__name__
)
def test_what_a_use_case_refuses_is_never_an_unforeseen_error(kind: type[Refusal]) -> None:
    if kind is not Refusal:
        assert status_of(kind.__new__(kind)) != status_of(CrossdockError())
