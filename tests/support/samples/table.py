"""Every archive that tests import: how it is made, and what comes of it.

``CROSSDOCK_TEST_ARCHIVES`` names a folder of further archives, of which is expected what holds for all.
"""

from __future__ import annotations

import gzip
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import NamedTuple

from shared.archive.errors import (
    AbsoluteName,
    Device,
    EmptyArchive,
    HardLink,
    NamedPipe,
    NotGzip,
    NotTar,
    ParentInName,
    SymbolicLink,
    Truncated,
)
from shared.errors import ArchiveError
from tests.support.archives import POSIX, entry, file, header, pax, pax_record
from tests.support.samples import projects
from tests.support.samples.projects import AFTER, LABEL, SMALL, compressed, labels, small
from tests.support.samples.relations import issue, lines, milestone

MIB = 1024 * 1024
_ISSUES = b"./tree/project/issues.ndjson"
_UPLOADS = f"uploads/{'0123456789abcdef' * 2}"


class Failure(NamedTuple):
    """A record that is left out: its line, counted from 0, and GitLab's name of what is wrong."""

    relation: str
    line: int
    exception_class: str
    identifiers: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Sample:
    """An archive: ``error`` is what its import fails with and ``reader`` who refuses it, where one does."""

    made: Callable[[], bytes]
    failures: tuple[Failure, ...] = ()
    error: str = ""
    reader: type[ArchiveError] | None = None

    @property
    def is_good(self) -> bool:
        """Whether it comes out as it went in."""
        return not (self.failures or self.error)


def _symbolic(name: bytes) -> bytes:
    return header(name, kind=b"2", link=b"/etc/passwd")


def _invalid_issues_and_milestones() -> bytes:
    nameless: list[object] = [issue(9, title=""), {"title": None, "state": "opened"}, issue(10)]
    relations: dict[str, list[object]] = {
        "issues": nameless,
        "milestones": [milestone(1, title=" "), milestone(2)],
    }
    return small({f"tree/project/{name}.ndjson": lines(records) for name, records in relations.items()})


def _many_entries() -> bytes:
    return compressed(*projects.files(SMALL), *(file(f"uploads/{n:032x}/f") for n in range(4_000)))


def _in_pax() -> bytes:
    prefixed = ((pax(pax_record(b"path", f"./{name}".encode())), data) for name, data in SMALL.items())
    return compressed(*(extension + entry(b"./short", data) for extension, data in prefixed))


def _in_ustar() -> bytes:
    return compressed(*(entry(name.encode(), data, magic=POSIX) for name, data in SMALL.items()))


def _truncated() -> bytes:
    whole = small({f"{_UPLOADS}/f": random.Random(7).randbytes(4096)})  # noqa: S311  # no secret
    return whole[: len(whole) // 2]


GOOD: dict[str, Sample] = {
    "every_relation": Sample(lambda: projects.archive(projects.every_relation())),
    "every_relation_without_dot_slash": Sample(projects.without_prefix),
    "empty_relations": Sample(projects.empty_relations),
    "version_last": Sample(projects.version_last),
    "many_records": Sample(projects.many_records),
    "from_macos": Sample(projects.from_macos),
    "smallest": Sample(
        lambda: projects.archive(
            {"VERSION": b"0.2.4", "project.bundle": projects.BUNDLE, "tree/project.json": b"{}"}
        )
    ),
    "small": Sample(small),
    "newline_after_version": Sample(partial(small, {"VERSION": b"0.2.4\n"})),
    "blank_line": Sample(partial(labels, LABEL + b"\n" + AFTER)),
    "null_line": Sample(partial(labels, LABEL + b"null\n" + AFTER)),
    "carriage_returns": Sample(partial(labels, LABEL.replace(b"\n", b"\r\n"))),
    "escaped_nul": Sample(partial(labels, b'{"title":"b\\u0000g"}\n')),
    "bomb": Sample(lambda: small({f"{_UPLOADS}/z.bin": bytes(64 * MIB)})),
    "unknown_relation": Sample(partial(small, {"tree/project/secrets.ndjson": b'{"a":"b"}\n'})),
    "unknown_attributes": Sample(partial(labels, b'{"title":"a","group_ids":[1],"more":"<b>"}\n')),
    "id_that_is_no_number": Sample(partial(labels, b'{"id":"7; DROP TABLE","title":"a"}\n')),
    "long_name": Sample(partial(small, {f"{_UPLOADS}/{'n' * 300}": b"hi"})),
    "apple_double": Sample(partial(small, {"tree/project/._labels.ndjson": b"\0\5\26\7"})),
    "names_in_pax": Sample(_in_pax),
    "ustar_without_folders": Sample(_in_ustar),
    "many_entries": Sample(_many_entries),
}

PARTLY: dict[str, Sample] = {
    "invalid_milestone": Sample(
        partial(small, {"tree/project/milestones.ndjson": lines([milestone(1, title=None), milestone(2)])}),
        (Failure("milestones", 0, "ActiveRecord::RecordInvalid", {"iid": 1}),),
    ),
    "invalid_issues_and_milestone": Sample(
        _invalid_issues_and_milestones,
        (
            Failure("issues", 0, "ActiveRecord::RecordInvalid", {"iid": 9}),
            Failure("issues", 1, "ActiveRecord::RecordInvalid"),
            Failure("milestones", 0, "ActiveRecord::RecordInvalid", {"iid": 1}),
        ),
    ),
    "line_that_is_no_json": Sample(
        partial(labels, LABEL + b'{"title":"bad\n' + AFTER), (Failure("labels", 1, "JSON::ParserError"),)
    ),
    "line_that_is_no_record": Sample(
        partial(labels, LABEL + b'"text"\n' + AFTER), (Failure("labels", 1, "TypeError"),)
    ),
    "invalid_utf8": Sample(
        partial(labels, b'{"title":"b\xff\xfeg"}\n' + AFTER), (Failure("labels", 0, "EncodingError"),)
    ),
    "two_records_on_a_line": Sample(
        partial(labels, LABEL.strip() * 2 + b"\n" + AFTER), (Failure("labels", 0, "JSON::ParserError"),)
    ),
    "deep_nesting": Sample(
        partial(labels, b'{"title":"a","deep":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n" + AFTER),
        (Failure("labels", 0, "JSON::NestingError"),),
    ),
    "record_without_title": Sample(
        partial(labels, b'{"color":"#ff0000"}\n' + LABEL),
        (Failure("labels", 0, "ActiveRecord::RecordInvalid"),),
    ),
    "line_over_50_mib": Sample(
        lambda: labels(b'{"title":"' + b"x" * (51 * MIB) + b'"}\n' + AFTER),
        (Failure("labels", 0, "Gitlab::ImportExport::Error"),),
    ),
}

REFUSED: dict[str, Sample] = {
    "symbolic_link_to_a_file_of_the_system": Sample(
        partial(small, None, _symbolic(_ISSUES)),
        error="tree/project/issues.ndjson",
        reader=SymbolicLink,
    ),
    "symbolic_link_for_the_project": Sample(
        partial(small, {"tree/project.json": None}, _symbolic(b"./tree/project.json")),
        error="tree/project.json",
        reader=SymbolicLink,
    ),
    "symbolic_link_for_the_version": Sample(
        partial(small, {"VERSION": None}, _symbolic(b"./VERSION")),
        error="VERSION",
        reader=SymbolicLink,
    ),
    "symbolic_link_in_the_uploads": Sample(
        partial(small, None, _symbolic(b"./uploads/link")),
        error="symbolic link",
        reader=SymbolicLink,
    ),
    "hard_link": Sample(
        partial(small, None, header(_ISSUES, kind=b"1", link=b"./VERSION")),
        error="hard link",
        reader=HardLink,
    ),
    "fifo": Sample(partial(small, None, header(_ISSUES, kind=b"6")), error="FIFO", reader=NamedPipe),
    "device": Sample(partial(small, None, header(_ISSUES, kind=b"3")), error="device", reader=Device),
    "parent_in_a_name": Sample(
        partial(small, None, entry(b"./../evil.txt", b"evil")), error="../evil.txt", reader=ParentInName
    ),
    "absolute_name": Sample(
        partial(small, None, entry(b"/tmp/evil.txt", b"evil")), error="absolute", reader=AbsoluteName
    ),
    "another_version": Sample(
        partial(small, {"VERSION": b"0.2.3"}), error="Import version mismatch: Required 0.2.4 but was 0.2.3"
    ),
    "version_that_is_none": Sample(
        partial(small, {"VERSION": b"latest"}), error="Import version mismatch: Required 0.2.4 but was"
    ),
    "without_a_version": Sample(partial(small, {"VERSION": None}), error="VERSION"),
    "without_a_tree": Sample(
        partial(small, {name: None for name in SMALL if name.startswith("tree/")}),
        error="invalid import format",
    ),
    "single_json": Sample(
        lambda: projects.archive({"VERSION": b"0.2.4", "project.json": b'{"labels":[]}'}),
        error="invalid import format",
    ),
    "without_a_project": Sample(partial(small, {"tree/project.json": None}), error="tree/project.json"),
    "project_that_is_no_json": Sample(
        partial(small, {"tree/project.json": b"{oops"}), error="Incorrect JSON format"
    ),
    "bundle_that_is_none": Sample(
        partial(small, {"project.bundle": b"not a bundle"}), error="Invalid bundle file"
    ),
    "truncated": Sample(_truncated, error="cut short", reader=Truncated),
    "tar_that_is_not_compressed": Sample(
        lambda: gzip.decompress(small()), error="not a gzip file", reader=NotGzip
    ),
    "empty_file": Sample(bytes, error="empty", reader=EmptyArchive),
    "compressed_text": Sample(
        lambda: gzip.compress(b"a text " * 100), error="not a tar archive", reader=NotTar
    ),
}

SAMPLES: Mapping[str, Sample] = MappingProxyType(GOOD | PARTLY | REFUSED)


def further() -> list[Path]:
    """Archives of a folder that somebody names: nothing outside of the repository is read otherwise."""
    folder = os.environ.get("CROSSDOCK_TEST_ARCHIVES")
    return sorted(Path(folder).rglob("*.tar.gz")) if folder else []


@cache
def packed(name: str) -> bytes:
    """The bytes of an archive, made once."""
    return SAMPLES[name].made()


@cache
def archive(name: str) -> Path:
    """The archive as a file, which lies there until the process ends."""
    path = Path(_folder().name, f"{name}.tar.gz")
    path.write_bytes(packed(name))
    return path


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="crossdock-samples-")
