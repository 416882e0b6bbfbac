"""Checks the bytes of an archive as they arrive."""

from __future__ import annotations

import hashlib

from services.cli.errors import JobFailed
from shared.archive.errors import StreamError
from shared.archive.gzip_reader import GzipReader


class DownloadCorrupted(JobFailed):
    """The downloaded bytes are no whole gzip file, or not what the server announced."""

    code = "download_corrupted"


class ArchiveCheck:
    """Takes an archive in pieces: unpacks it to check gzip's own CRC and length, and takes its SHA-256.

    So a download is known to be whole and right, whatever digest the server sends. Memory: 256 KiB.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._gzip = GzipReader()

    @property
    def sha256(self) -> bytes:
        """The digest of what was taken."""
        return self._digest.digest()

    def take(self, data: bytes) -> None:
        """Take the next bytes. Raises DownloadCorrupted."""
        self._digest.update(data)
        try:
            for _ in self._gzip.feed(data):
                pass
        except StreamError as error:
            raise DownloadCorrupted(f"the archive arrived damaged: {error}") from error

    def end(self) -> None:
        """Raise DownloadCorrupted unless what was taken is whole."""
        if not self._gzip.complete:
            raise DownloadCorrupted("the archive ends early")
