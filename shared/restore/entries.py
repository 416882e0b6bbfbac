"""How the bytes of each file are checked, by what the file is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from shared.gitlab.layout import FileKind, kind_of, oid_of
from shared.gitlab.lfs import LfsIndex, LfsObject
from shared.gitlab.project_json import ProjectDocument
from shared.gitlab.version import Version
from shared.restore.failures import Failure
from shared.restore.verifiers import Bundle, Tolerated, Unchecked, Verifier


def _snippet(check: Verifier) -> Verifier:
    return Tolerated(check, relation="snippets", source="SnippetRepoRestorer#restore")


def _lfs(check: Verifier) -> Verifier:
    return Tolerated(check, relation="lfs_objects", source="LfsRestorer#restore")


_VERIFIERS: Mapping[FileKind, Callable[[str], Verifier]] = {
    FileKind.VERSION: lambda _: Version(),
    FileKind.PROJECT: ProjectDocument,
    FileKind.REPOSITORY: Bundle,
    FileKind.WIKI: Bundle,
    FileKind.DESIGN: Bundle,
    FileKind.SNIPPET: lambda name: _snippet(Bundle(name)),
    FileKind.LFS_INDEX: lambda name: _lfs(LfsIndex(name)),
    FileKind.LFS_OBJECT: lambda name: _lfs(LfsObject(oid_of(name))),
}
_DOCUMENTS = frozenset({FileKind.PROJECT, FileKind.LFS_INDEX})


def verifier_of(name: str) -> Verifier:
    """Give the check for the bytes of a file."""
    make = _VERIFIERS.get(kind_of(name))
    return make(name) if make else Unchecked()


def is_document(name: str) -> bool:
    """Tell whether the file is held in memory as a whole to be understood: 50 MiB at the most."""
    return kind_of(name) in _DOCUMENTS


async def closed(name: str, verifier: Verifier) -> Failure | None:
    """Give what ``verifier.close`` gives; a document, which takes long, is understood on a thread."""
    return await asyncio.to_thread(verifier.close) if is_document(name) else verifier.close()
