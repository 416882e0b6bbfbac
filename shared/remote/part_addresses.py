"""The presigned addresses of a multipart upload of S3, as one text, so that an order seals all at once.

Their names are those of GitLab Workhorse's ``MultipartUpload`` and ``RemoteObject``: part_size, part_urls,
complete_url, abort_url and get_url.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

MOST_PARTS = 10_000
LEAST_PART_SIZE = 5 * 2**20
LARGEST_PART_SIZE = 5 * 2**30
"""How many parts S3 takes, and of how many bytes each but the last (Amazon S3 user guide: limits)."""

MOST_ADDRESS_BYTES = 256 * 1024
"""Bytes that all addresses of one upload may have: they lie in the row of the job, in one sealed text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartAddresses:
    """Where the parts of ``part_size`` bytes go, in order, and where the upload is completed.

    By ``abort_url`` an upload that has failed is given up, and by ``get_url`` the object is asked for its
    size where the answer to the completion was lost. Each address is a secret.
    """

    part_size: int
    part_urls: Sequence[str] = field(repr=False)
    complete_url: str = field(repr=False)
    abort_url: str | None = field(default=None, repr=False)
    get_url: str | None = field(default=None, repr=False)

    def write(self) -> str:
        """Give all addresses as one text, which is a secret."""
        return msgspec.json.encode(self).decode()

    @staticmethod
    def read(text: str) -> PartAddresses:
        """Read what ``write`` gave."""
        return msgspec.json.decode(text, type=PartAddresses)

    def named(self) -> Iterator[tuple[str, str]]:
        """Give each address behind the name of its field."""
        yield from (("part_urls", url) for url in self.part_urls)
        for name in ("complete_url", "abort_url", "get_url"):
            if url := getattr(self, name):
                yield name, url

    @property
    def most(self) -> int:
        """The most bytes that an archive may have to go to these addresses."""
        return self.part_size * len(self.part_urls)
