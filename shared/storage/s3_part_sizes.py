"""Sizes of the parts of an object in S3: an object has at most 10,000 parts, so later ones are larger."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

MIB = 1024 * 1024
MIN_PART = 5 * MIB
"""S3 accepts no smaller part, except the last: Amazon S3 user guide, "multipart upload limits"."""

MAX_PART = 5 * 1024 * MIB
"""S3 accepts no larger part."""

MAX_PARTS = 10_000
"""S3 accepts no more parts of an object."""


@dataclass(frozen=True, kw_only=True)
class PartSizes:
    """The size of every part of an object by its number, in bytes; the last part may be shorter.

    The first ``alike`` parts have ``first`` bytes. With every ``step`` parts after these the size doubles, up
    to 5 GiB. So a larger part is at most a 640th of what is before it. By default objects of up to 6 GiB
    have parts of 5 MiB, and the largest has 4.2 TiB.
    """

    first: int = MIN_PART
    alike: int = 1280
    step: int = 1000
    most: int = MAX_PARTS
    """The number of parts that an object has at most."""

    def __post_init__(self) -> None:
        """Refuse a size that S3 would refuse only at the end of an upload."""
        if not MIN_PART <= self.first <= MAX_PART:
            raise ValueError(f"S3 takes parts of {MIN_PART} to {MAX_PART} bytes, and none of {self.first}")

    def of(self, number: int) -> int:
        """Give the size of a part; the first one has the number 1."""
        doublings = max(0, -((self.alike - number) // self.step))
        return min(self.first << doublings, MAX_PART)

    @cached_property
    def total(self) -> int:
        """The bytes of the largest object."""
        return sum(map(self.of, range(1, self.most + 1)))


def equal_parts(size: int) -> PartSizes:
    """Give sizes that are all the same: an object has at most 10,000 times ``size`` bytes."""
    return PartSizes(first=size, alike=MAX_PARTS)
