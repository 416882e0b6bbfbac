"""The accept of connections never meets the end of the file descriptors."""

from __future__ import annotations

import subprocess
import sys

import pytest

from services.listener.descriptors import Capacity, find_capacity

_PROGRAM = """
import resource
from services.listener.descriptors import raise_descriptor_limit

resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
print(raise_descriptor_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_limit_of_descriptors_is_raised_as_far_as_it_may_be() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["300", "300", "300"]


@pytest.mark.parametrize(
    ("descriptors", "reserved", "capacity"),
    [
        (20_000, 106, Capacity(connections=8192, backlog=128)),
        (4096, 106, Capacity(connections=4096 - 106 - 64 - 4 * 128, backlog=128)),
        (256, 50, Capacity(connections=256 - 50 - 64 - 4 * 8, backlog=8)),
        (128, 106, Capacity(connections=16, backlog=8)),
    ],
)
def test_connections_get_the_descriptors_that_nothing_else_needs(
    descriptors: int, reserved: int, capacity: Capacity
) -> None:
    assert find_capacity(descriptors, reserved=reserved, most=8192) == capacity
