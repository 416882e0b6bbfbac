"""Addresses in orders: secrets, which are sealed in the row of a job, and opened by its worker alone.

A sealed address is a text without a colon, which every URL has. Rows of versions before have URLs.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from shared.jobs.models import (
    BackupOrder,
    ExportOrder,
    ImportOrder,
    Job,
    JobOrder,
    PeerExportOrder,
    RelationImportOrder,
    UnknownOrder,
    UploadOrder,
)
from shared.sealing.sealer import SealContext, Sealer

PURPOSES = {"source": "job.source", "upload": "job.upload"}
"""The purpose of the address in each member of an order."""


class OrderSealer:
    """Seals and opens the address of an order, if it has one."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, order: JobOrder, *, project_id: int) -> JobOrder:
        """Return the order for the row of a job of the project. An address that is sealed stays as it is."""

        def seal(member: str, url: str) -> str:
            context = SealContext(PURPOSES[member], project_id)
            return write_sealed(self._sealer.seal(url.encode(), context)) if is_clear(url) else url

        return _change_address(order, seal)

    def open(self, job: Job) -> JobOrder:
        """Return the order of a job as it was requested. Raises SecretUnreadable."""

        def open_(member: str, url: str) -> str:
            context = SealContext(PURPOSES[member], job.project_id)
            return url if is_clear(url) else self._sealer.open(read_sealed(url), context).decode()

        return _change_address(job.order, open_)


def is_clear(address: str) -> bool:
    """Tell whether an address is a URL and not sealed."""
    return ":" in address


def write_sealed(sealed: bytes) -> str:
    """Write a sealed address as a text."""
    return b64encode(sealed).decode()


def read_sealed(address: str) -> bytes:
    """Read a sealed address."""
    return b64decode(address)


def _change_address(order: JobOrder, change: Callable[[str, str], str]) -> JobOrder:
    match order:
        case ImportOrder():
            source = order.source
            return replace(order, source=source and replace(source, url=change("source", source.url)))
        case ExportOrder() | UploadOrder() | PeerExportOrder():
            upload = order.upload
            return replace(order, upload=upload and replace(upload, url=change("upload", upload.url)))
        case RelationImportOrder() | BackupOrder() | UnknownOrder():
            return order
        case _:
            assert_never(order)
