"""The limits of an archive."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Each limit is checked while the archive streams; exceeding one ends the reading.

    - ``decompressed``: bytes of the tar stream, 0 for no limit (GitLab's ``max_decompressed_archive_size``)
    - ``entries``: entries, and also distinct names with the directories that they imply; the reader keeps
      about 100 bytes for each name
    - ``name``: bytes of one entry's name; an index of Postgres takes 2704 in a key
    - ``header``: bytes of one PAX header or GNU long name
    - ``line``: bytes of one NDJSON line
    - ``depth``: nesting of one JSON value
    """

    decompressed: int = 25_600 * MIB
    entries: int = 5_000_000
    name: int = 2600
    header: int = MIB
    line: int = 50 * MIB
    depth: int = 1000
