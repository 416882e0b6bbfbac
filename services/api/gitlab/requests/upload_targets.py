"""Parses where the archive of an export is uploaded to: one address, or those of a multipart upload."""

from __future__ import annotations

from typing import Literal

from services.api.http import parameters
from services.api.http.parameters import ParameterReader
from shared.jobs.models import UploadTarget
from shared.remote.part_addresses import (
    LARGEST_PART_SIZE,
    LEAST_PART_SIZE,
    MOST_ADDRESS_BYTES,
    MOST_PARTS,
    PartAddresses,
)

_METHODS = ("PUT", "POST")


def read_target(reader: ParameterReader) -> UploadTarget | None:
    """Read ``upload``. A blank URL, or blank parts, mean no upload."""
    upload = ParameterReader(reader.mapping("upload"), prefix="upload")
    url = (upload.text("url") or "").strip()
    method: Literal["PUT", "POST"] = "POST" if upload.choice("http_method", _METHODS) == "POST" else "PUT"
    parts = _read_parts(upload)
    if url and parts:
        upload.problems.append("upload[url], upload[parts] are mutually exclusive")
    reader.problems += upload.problems
    if parts:
        return UploadTarget(url=parts.write(), in_parts=True)
    return UploadTarget(url=url, method=method) if url else None


def _read_parts(upload: ParameterReader) -> PartAddresses | None:
    """Read ``upload[parts]``. None, too, where there are problems with it."""
    given = upload.mapping("parts")
    if not given:
        return None
    reader = ParameterReader(given, prefix="upload[parts]")
    for name in ("part_size", "part_urls", "complete_url"):
        reader.require(name)
    read = PartAddresses(
        part_size=reader.integer("part_size") or 0,
        part_urls=_read_urls(reader, "part_urls"),
        complete_url=reader.text("complete_url") or "",
        abort_url=reader.text("abort_url"),
        get_url=reader.text("get_url"),
    )
    if not reader.problems:
        _check(reader, read)
    upload.problems += reader.problems
    return None if reader.problems else read


def _read_urls(reader: ParameterReader, name: str) -> list[str]:
    """Read a list of addresses, in their order."""
    given = reader.given.get(name) or []
    read = [parameters.text(each) for each in given] if isinstance(given, list) else [None]
    urls = [each for each in read if each]
    if len(urls) < len(read):
        reader.problem(name, "is invalid")
    return urls


def _check(reader: ParameterReader, read: PartAddresses) -> None:
    """Add the problems of addresses that S3, or the row of a job, would not take."""
    if not LEAST_PART_SIZE <= read.part_size <= LARGEST_PART_SIZE:
        reader.problem("part_size", f"must be from {LEAST_PART_SIZE} to {LARGEST_PART_SIZE} bytes")
    if not 1 <= len(read.part_urls) <= MOST_PARTS:
        reader.problem("part_urls", f"must have from 1 to {MOST_PARTS} addresses")
    size = sum(len(url.encode()) for _, url in read.named())
    if size > MOST_ADDRESS_BYTES:
        reader.problem(
            "part_urls",
            f"has {size} bytes with the other addresses, and at most {MOST_ADDRESS_BYTES} are taken",
        )
