"""Every case of the reference is a test here that bears its number."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[2]


def test_no_case_is_tested_elsewhere() -> None:
    """Over the wire, in both forms; other tests show what these cannot."""
    elsewhere = [*TESTS.glob("service/**/test_*.py"), *TESTS.glob("unit/**/test_*.py")]
    assert elsewhere
    assert [file.name for file in elsewhere if re.search(r"def test_cases?_\d", file.read_text())] == []


def test_every_case_has_a_test() -> None:
    texts = [file.read_text() for file in Path(__file__).parent.glob("test_*.py")]
    names = [name for text in texts for name in re.findall(r"def test_cases?_((?:\d+_)+)", text)]
    told = {int(number) for name in names for number in name.split("_") if number}
    assert set(range(1, 103)) - told == set()
