"""The limits of an archive."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What reading costs, in bytes sent; the bytes of ``gift`` need not be sent.

    - ``line``: for each line that is parsed, blank ones too; twice for one that is refused
    - ``entry``: for each tar header, PAX record, stretch of a sparse file, directory that only other names
      imply, and file that replaces an earlier one; twice more for a file that is kept, that cannot be kept,
      or is taken back, and six times for a relation
    - ``ratio``: unpacked bytes, whatever they are, zeros of sparse files too, that one byte pays for
    - ``parsed_ratio``: the same for those that are parsed: relations, documents, headers of bundles
    - ``bracket_ratio``: opening brackets in relations that one byte pays for

    As they are, a byte pays for about 2 us of a core, 4 us where it all goes into ``ratio``.
    """

    gift: int = MIB
    line: int = 4
    entry: int = 16
    ratio: int = 1000
    parsed_ratio: int = 165
    bracket_ratio: int = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Each limit is checked while the archive streams; exceeding one ends the reading.

    - ``decompressed``: bytes of the tar stream, with the zeros of sparse files; 0 for no limit (GitLab's
      ``max_decompressed_archive_size``)
    - ``entries``: entries, and also distinct names with the directories that they imply; the reader keeps
      about 100 bytes for each name
    - ``name``: bytes of one entry's name; an index of Postgres takes 2704 in a key
    - ``header``: bytes of one PAX header or GNU long name
    - ``stretches``: of the map of one sparse file; the reader keeps 16 bytes for each
    - ``line``: bytes of one NDJSON line
    - ``depth``: nesting of one JSON value
    - ``prices``: how much work the bytes of an archive pay for
    """

    decompressed: int = 25_600 * MIB
    entries: int = 5_000_000
    name: int = 2600
    header: int = MIB
    stretches: int = 65_536
    line: int = 50 * MIB
    depth: int = 1000
    prices: Prices = Prices()
