"""The targets that ``make fuzz`` takes hold for the inputs to begin with, and for those that once failed."""

from __future__ import annotations

import pytest

from tests.fuzz.targets import TARGETS

FOUND = [
    ("form", b'm/f; boundary=b\n--b\r\nContent-Disposition: form-data; name="a\nb"\r\n\r\nx\r\n--b--\r\n'),
    ("form", b'm/f; boundary=b\n123456--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n'),
    ("address", b"http://[u]@"),
    ("command", b'application/json\n{"source":{"url":"http://[u]@"}}'),
]
"""What fuzzing found: the target, and an input that failed."""


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_holds_for_its_first_inputs_whole_and_truncated(name: str) -> None:
    target = TARGETS[name]
    for seed in target.seeds:
        for end in {0, 1, len(seed) // 2, len(seed) - 1, len(seed)}:
            target.check(seed[:end])


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_what_fuzzing_found_is_mended(name: str, data: bytes) -> None:
    TARGETS[name].check(data)
