from __future__ import annotations

import threading
from typing import Any

import pytest

from services.api.http.errors import ParametersInvalid
from services.api.http.large_fields import read_fields


@pytest.mark.parametrize(
    ("people", "is_apart"),
    [("x" * 20_000, True), ("x", False), ([{}] * 101, True), ([{}], False), (7, False)],
)
async def test_what_takes_long_to_read_is_read_on_a_thread(people: object, is_apart: bool) -> None:  # noqa: FBT001  # of the parameters
    def read(_: dict[str, Any]) -> int:
        return threading.get_ident()

    given = {"people": people}
    assert (await read_fields(read, given, given) != threading.get_ident()) is is_apart


async def test_what_a_thread_refuses_is_refused() -> None:
    def read(_: dict[str, Any]) -> None:
        raise ParametersInvalid("no")

    given = {"people": "x" * 20_000}
    with pytest.raises(ParametersInvalid, match="no"):
        await read_fields(read, given, given)
