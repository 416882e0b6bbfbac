"""Archives as GitLab packs them: what lies in them, in which order, and in which form of tar."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from pathlib import Path

from isal import igzip

from shared.gitlab.relations import SINGLE
from tests.support.archives import entry, file, header, pax, pax_record
from tests.support.samples.relations import EVERY, MEMBER, issue, label, line, lines, merge_request

Files = Mapping[str, bytes]

BUNDLE = (Path(__file__).parents[2] / "data" / "repository.bundle").read_bytes()
"""Made by git: three commits' worth of a repository with two branches and a tag."""

LABEL = line(label("bug")) + b"\n"
AFTER = line(label("after")) + b"\n"

SMALL: Files = {
    "VERSION": b"0.2.4",
    "GITLAB_VERSION": b"18.9.0",
    "GITLAB_REVISION": b"abcdef01234",
    "lfs-objects.json": b"{}",
    "tree/project.json": b'{"description":"small","visibility_level":0,"archived":false}',
    "tree/project/project_members.ndjson": lines([MEMBER]),
    "tree/project/labels.ndjson": LABEL,
    "tree/project/auto_devops.ndjson": b"null",
}


def compressed(*blocks: bytes) -> bytes:
    """The blocks of a tar and its end, as gzip."""
    packed: bytes = igzip.compress(b"".join(blocks) + bytes(1024), 1)
    return packed


def files(contents: Files) -> list[bytes]:
    """The blocks of the root, of every folder, then of the files, as ``tar -C folder .`` has them."""
    folders = {
        f"{name.rsplit('/', depth)[0]}/" for name in contents for depth in range(1, name.count("/") + 1)
    }
    named = (file(name, data) for name, data in contents.items() if name not in folders)
    return [header(b"./", kind=b"5"), *map(file, sorted(folders)), *named]


def archive(contents: Files) -> bytes:
    """An archive of these files and the folders that they are in."""
    return compressed(*files(contents))


def small(changes: Mapping[str, bytes | None] | None = None, *more: bytes) -> bytes:
    """The small project with files replaced, added, or taken out where None is given, and more blocks."""
    changed = {**SMALL, **(changes or {})}
    return compressed(*files({name: data for name, data in changed.items() if data is not None}), *more)


def labels(data: bytes) -> bytes:
    """The small project with these lines of labels."""
    return small({"tree/project/labels.ndjson": data})


_SNIPPET = hashlib.sha256(b"A snippet2024-01-02 03:04:05 UTC2024-02-03 04:05:06 UTC").hexdigest()
"""The name of the repository of the one snippet: its title and its times in whole seconds."""


def every_relation() -> dict[str, bytes]:
    """Files of a project that has records in every relation, all bundles, uploads and LFS objects."""
    objects = [b"a large file", bytes(range(256)) * 8]
    named = {hashlib.sha256(data).hexdigest(): data for data in objects}
    return {
        "VERSION": b"0.2.4",
        "GITLAB_VERSION": b"18.9.0-pre",
        "GITLAB_REVISION": b"abcdef01234",
        "tree/project.json": b'{\n  "description": "Everything",\n  "visibility_level": 10, "n": 1.50\n}\n',
        **{f"tree/project/{name}.ndjson": _relation(name) for name in EVERY},
        "tree/project/design_management_repository.ndjson": b'{ "id": 500, "project_id": 30 }',
        "project.bundle": BUNDLE,
        "project.wiki.bundle": BUNDLE,
        "project.design.bundle": BUNDLE,
        f"snippets/{_SNIPPET}.bundle": BUNDLE,
        "avatar/logo.png": b"\x89PNG\r\n",
        f"uploads/{'a' * 32}/文件 (1).png": bytes(1000),
        f"uploads/{'b' * 32}/empty": b"",
        "lfs-objects.json": json.dumps({oid: [0] for oid in named}).encode(),
        **{f"lfs-objects/{oid}": data for oid, data in named.items()},
    }


def _relation(name: str) -> bytes:
    return line(EVERY[name][0]) if name in SINGLE else lines(EVERY[name])


def without_prefix() -> bytes:
    """Every relation in a tar whose names do not begin with ``./``, and without folders."""
    return compressed(*(entry(name.encode(), data) for name, data in every_relation().items()))


def empty_relations() -> bytes:
    """A new project: files of zero bytes for most relations, ``null`` for those that are one object."""
    trees = {f"tree/project/{name}.ndjson": b"null" if name in SINGLE else b"" for name in EVERY}
    return archive({"snippets/": b"", **SMALL, "project.bundle": BUNDLE, **trees})


def version_last() -> bytes:
    """The version is the last entry; one merge request has a line of more than a MiB."""
    words = random.Random(7)  # noqa: S311  # the same every time
    diff = "".join(f"+{words.getrandbits(256):064x}\n" for _ in range(17_000))
    request = merge_request(1, merge_request_diff={"merge_request_diff_files": [{"utf8_diff": diff}]})
    contents = {**SMALL, "tree/project/merge_requests.ndjson": lines([request]), "project.bundle": BUNDLE}
    return archive({name: contents[name] for name in sorted(contents, key="VERSION".__eq__)})


def many_records() -> bytes:
    """A thousand issues with three thousand comments."""
    trees = {
        "tree/project/issues.ndjson": lines(issue(iid) for iid in range(1, 1001)),
        "tree/project/labels.ndjson": lines(label(f"label {n}") for n in range(300)),
    }
    return archive({**SMALL, **trees, "avatar/logo.png": b"\x89PNG\r\n"})


def from_macos() -> bytes:
    """Packed anew on a Mac: an AppleDouble file before each file, and PAX headers with its attributes."""
    blocks = []
    for name, data in {**SMALL, "project.bundle": BUNDLE, "project.wiki.bundle": BUNDLE}.items():
        folder, _, base = name.rpartition("/")
        double = f"./{folder}/._{base}" if folder else f"./._{base}"
        records = (pax_record(b"mtime", b"1700000000.123456789"),
                   pax_record(b"LIBARCHIVE.xattr.com.apple.provenance", b"AQAA+Mq8gLwnYLQ"),
                   pax_record(b"SCHILY.xattr.com.apple.provenance", b"\1\0\0\xf8\xca"))  # fmt: skip
        blocks += [pax(*records), entry(double.encode(), b"\0\5\26\7" + bytes(159))]
        blocks += [pax(*records), entry(f"./{name}".encode(), data)]
    return compressed(*blocks)
