"""Which verifier checks a file, by the kind of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial

from shared.archive.errors import quote_name
from shared.archive.events import EntryLeftOut
from shared.errors import ArchiveError
from shared.gitlab.layout import DESIGN, FileKind, kind_of
from shared.gitlab.lfs import LfsIndex, check_oid
from shared.gitlab.project_json import ProjectDocument
from shared.gitlab.version import VersionFile
from shared.restore.failures import Failure
from shared.restore.verifiers import (
    BundleFile,
    NullVerifier,
    RepositoryFile,
    TolerantVerifier,
    Verifier,
    file_failure,
)
from shared.shielding import on_thread

_LFS, _LFS_RESTORER = "lfs_objects", "LfsRestorer#restore"
_SNIPPETS, _SNIPPET_RESTORER = "snippets", "SnippetRepoRestorer#restore"
_REPOSITORY, _WIKI, _REPOSITORY_RESTORER = "repository", "wiki", "RepoRestorer#restore"


def _snippet(name: str) -> Verifier:
    check = BundleFile(name, relation=_SNIPPETS, source=_SNIPPET_RESTORER)
    return TolerantVerifier(check, relation=_SNIPPETS, source=_SNIPPET_RESTORER)


def _repository(relation: str) -> Callable[[str], Verifier]:
    return partial(BundleFile, relation=relation, source=_REPOSITORY_RESTORER)


def _wiki(name: str) -> Verifier:
    check = BundleFile(name, relation=_WIKI, source=_REPOSITORY_RESTORER)
    return TolerantVerifier(check, relation=_WIKI, source=_REPOSITORY_RESTORER)


def _lfs(check: Verifier) -> Verifier:
    return TolerantVerifier(check, relation=_LFS, source=_LFS_RESTORER)


_VERIFIERS: Mapping[FileKind, Callable[[str], Verifier]] = {
    FileKind.VERSION: lambda _: VersionFile(),
    FileKind.PROJECT: ProjectDocument,
    FileKind.REPOSITORY: _repository(_REPOSITORY),
    FileKind.WIKI: _repository(_WIKI),
    FileKind.DESIGN: _repository("design"),
    FileKind.SNIPPET: _snippet,
    FileKind.LFS_INDEX: lambda name: _lfs(LfsIndex(name)),
}
_OF_GIT_SERVERS = {**_VERIFIERS, FileKind.REPOSITORY: RepositoryFile, FileKind.WIKI: _wiki}
_OF_KINDS = {
    FileKind.SNIPPET: (_SNIPPETS, _SNIPPET_RESTORER),
    FileKind.LFS_OBJECT: (_LFS, _LFS_RESTORER),
    FileKind.UPLOAD: ("uploads", "UploadsRestorer#restore"),
    FileKind.AVATAR: ("avatar", "AvatarRestorer#restore"),
}
_RESTORERS = dict(_OF_KINDS.values())
_DOCUMENTS = frozenset({FileKind.PROJECT, FileKind.LFS_INDEX})


def verifier_of(name: str) -> Verifier:
    """Make the verifier of a file of an archive."""
    return _make(_VERIFIERS, name)


def verifier_of_git(name: str) -> Verifier:
    """Make the verifier of a file that was made of what a git server gives: the wiki may be left out."""
    return _make(_OF_GIT_SERVERS, name)


def _make(verifiers: Mapping[FileKind, Callable[[str], Verifier]], name: str) -> Verifier:
    make = verifiers.get(kind_of(name))
    return make(name) if make else NullVerifier()


def is_document(name: str) -> bool:
    """Tell whether the file is held in memory as a whole to be parsed: 50 MiB at most."""
    return kind_of(name) in _DOCUMENTS


def lfs_failure(oid: str, sha256: bytes) -> Failure | None:
    """Give the reason to leave out an LFS object of that name and digest, or None."""
    try:
        check_oid(oid, sha256)
    except ArchiveError as error:
        return lfs_object_failure(str(error))
    return None


def unusable_failure(entry: EntryLeftOut) -> Failure:
    """Give the failure of a file that is left out for its name: why, where it is, and the name escaped."""
    error = entry.error
    raw = error.name if isinstance(error.name, bytes) else error.name.encode()
    kind = kind_of(raw.decode(errors="replace").removeprefix("./").lstrip("/"))
    relation, source = _OF_KINDS.get(kind, ("archive", "FileImporter#import"))
    message = f"{error.reason} (entry {entry.number}): {quote_name(raw)}"
    return file_failure(message, relation=relation, source=source)


def lfs_index_of(verifier: Verifier) -> LfsIndex | None:
    """Give the index that a verifier checks; None where it is that of another file."""
    check = verifier.verifier if isinstance(verifier, TolerantVerifier) else None
    return check if isinstance(check, LfsIndex) else None


def lfs_differences(
    index: LfsIndex, there: AbstractSet[bytes], *, kept: AbstractSet[bytes]
) -> Iterator[Failure]:
    """Give a failure for each LFS object that is in the index alone, or in the archive alone.

    ``there`` are the digests of those in the archive, ``kept`` those that were not left out, of which that
    is told. An index that is unusable names nothing.
    """
    if index.named is None:
        return
    for digest in sorted(index.named - there):
        yield lfs_object_failure(f"LFS object {digest.hex()} is in the index and not in the archive")
    for digest in sorted(kept - index.named):
        yield lfs_object_failure(
            f"LFS object {digest.hex()} is in the archive and not in its index: exports name it"
        )


def missing_file_failure(name: str, place: tuple[str, int], *, relation: str) -> Failure:
    """Give the failure of a file that a record refers to: a line of a relation, and the file is not there.

    Its text is for people, who count lines from 1.
    """
    message = f"line {place[1] + 1} of {place[0]} refers to {name}, which is not in the archive"
    return file_failure(message, relation=relation, source=_RESTORERS[relation])


def missing_files_failure(count: int, *, relation: str) -> Failure:
    """Give the failure that stands for further such files."""
    message = f"{count} more files that records refer to are not in the archive"
    return file_failure(message, relation=relation, source=_RESTORERS[relation])


def missing_design_failure() -> Failure:
    """Give the failure of designs that records have and whose repository is not there."""
    message = f"issues have designs, and {DESIGN} is not in the archive"
    return file_failure(message, relation="design", source="DesignRepoRestorer#restore")


def lfs_object_failure(message: str) -> Failure:
    """Give the failure of an LFS object that is left out, or not as it is listed."""
    return file_failure(message, relation=_LFS, source=_LFS_RESTORER)


def reference_failure(count: int) -> Failure:
    """Give the failure of branches and tags that are left out, as git does."""
    message = f"branches and tags with names that git does not take, {count} of them"
    return file_failure(message, relation=_REPOSITORY, source=_REPOSITORY_RESTORER)


def wiki_failure(message: str) -> Failure:
    """Give the failure of a wiki that is left out."""
    return file_failure(message, relation=_WIKI, source=_REPOSITORY_RESTORER)


async def close_verifier(verifier: Verifier) -> Failure | None:
    """Call ``verifier.close``, on a thread where it has a document to parse, which takes long."""
    return await on_thread(verifier.close) if verifier.parses else verifier.close()
