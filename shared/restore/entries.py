"""What each entry of an archive is, by its name: declared data, the first pattern that matches."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from shared.assembly.project import LFS_INDEX, PROJECT
from shared.restore.documents import LfsIndex, ProjectDocument
from shared.restore.failures import Failure
from shared.restore.verifiers import Bundle, LfsObject, Tolerated, Unchecked, Verifier, Version

_RELATION = re.compile(r"tree/project/([^/]+)\.ndjson")

_VERIFIERS: tuple[tuple[re.Pattern[str], Callable[[str], Verifier]], ...] = (
    (re.compile(r"VERSION"), lambda _: Version()),
    (re.compile(re.escape(PROJECT)), ProjectDocument),
    (re.compile(r"project(\.wiki|\.design)?\.bundle"), Bundle),
    (re.compile(r"snippets/[^/]+\.bundle"), lambda name: _snippet(Bundle(name))),
    (re.compile(re.escape(LFS_INDEX)), lambda name: _lfs(LfsIndex(name))),
    (re.compile(r"lfs-objects/[^/]+"), lambda name: _lfs(LfsObject(name.rpartition("/")[2]))),
)


def _snippet(check: Verifier) -> Verifier:
    return Tolerated(check, relation="snippets", source="SnippetRepoRestorer#restore")


def _lfs(check: Verifier) -> Verifier:
    return Tolerated(check, relation="lfs_objects", source="LfsRestorer#restore")


def relation_of(name: str) -> str | None:
    """Give the relation that the entry holds, if it holds one. Unknown relations are relations too."""
    match = _RELATION.fullmatch(name)
    return match and match[1]


def verifier_of(name: str) -> Verifier:
    """Give the check for the entry's bytes."""
    for pattern, make in _VERIFIERS:
        if pattern.fullmatch(name):
            return make(name)
    return Unchecked()


def is_document(name: str) -> bool:
    """Tell whether the entry is held in memory as a whole to be understood: 50 MiB at the most."""
    return name in (PROJECT, LFS_INDEX)


async def closed(name: str, verifier: Verifier) -> Failure | None:
    """Give what ``verifier.close`` gives; a document, which takes long, is understood on a thread."""
    return await asyncio.to_thread(verifier.close) if is_document(name) else verifier.close()
