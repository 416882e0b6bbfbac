"""Damaged archives: the reader tells well-formed events or raises ArchiveError, and nothing else.

A few seconds long. With CROSSDOCK_FUZZ_SECONDS each test takes that long, and does other damage every time.
"""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.archives import outcome, summed_again
from tests.fuzz.targets import TAR
from tests.support.archives import packed
from tests.support.samples.table import packed as packed_sample

SECONDS = float(os.environ.get("CROSSDOCK_FUZZ_SECONDS", "0"))
EXAMPLES = 60
BASES = ["own", "names_in_pax", "from_macos", "every_relation"]
FIELDS = (0, 124, 136, 156, 257, 345)
TELLING = (
    b"L",
    b"K",
    b"x",
    b"g",
    b"S",
    b"5",
    b"\0",
    b"\x80",
    b"\xff" * 12,
    b"00000000777\0",
    b"../",
    b"/",
    b"./",
)

Damage = tuple[str, int, int, bytes]
DAMAGES = st.lists(
    st.tuples(
        st.sampled_from(["flip", "write", "field", "cut", "insert", "repeat", "truncate"]),
        st.integers(0, 2**20),
        st.integers(0, 1500),
        st.one_of(st.sampled_from(TELLING), st.binary(min_size=1, max_size=12)),
    ),
    min_size=1,
    max_size=5,
)
CUT = st.sampled_from([13, 511, 4096])


def damaged(data: bytes, damages: list[Damage]) -> bytes:
    out = bytearray(data)
    for kind, place, length, new in damages:
        at = place % (len(out) + 1)
        match kind:
            case "flip":
                out[at : at + 1] = bytes(byte ^ (new[0] or 1) for byte in out[at : at + 1])
            case "write":
                out[at : at + len(new)] = new
            case "field":
                at = at // 512 * 512 + FIELDS[length % len(FIELDS)]
                out[at : at + len(new)] = new
            case "cut":
                del out[at : at + length]
            case "insert":
                out[at:at] = new
            case "repeat":
                out[at:at] = out[at : at + length]
            case _:
                del out[at:]
    return bytes(out)


def fuzz(check: Callable[[list[Damage], int], None]) -> None:
    """Check many damages, until the time is over."""
    end = time.monotonic() + SECONDS
    first = time.time_ns() if SECONDS else 0
    varied = settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )(given(DAMAGES, CUT)(check))
    number = first
    while number == first or time.monotonic() < end:
        seed(number)(varied)()
        number += 1


@pytest.fixture(params=BASES)
def base(request: pytest.FixtureRequest) -> bytes:
    return packed(TAR) if request.param == "own" else packed_sample(request.param)


@pytest.mark.timeout(300 + 2 * SECONDS)
def test_a_damaged_file_is_read_the_same_at_every_cut_or_refused(base: bytes) -> None:
    def check(damages: list[Damage], cut: int) -> None:
        archive = damaged(base, damages)
        assert outcome(archive, cut) == outcome(archive, len(archive) + 1)

    fuzz(check)


@pytest.mark.timeout(300 + 2 * SECONDS)
@pytest.mark.parametrize("sums", [True, False], ids=["summed-again", "as-damaged"])
def test_a_damaged_tar_is_read_the_same_at_every_cut_or_refused(base: bytes, sums: bool) -> None:  # noqa: FBT001 -- a parameter of pytest
    tar = gzip.decompress(base)

    def check(damages: list[Damage], cut: int) -> None:
        broken = damaged(tar, damages)
        archive = gzip.compress(summed_again(broken) if sums else broken, 0)
        assert outcome(archive, cut) == outcome(archive, len(archive) + 1)

    fuzz(check)
