"""Which relations of a project an export or an import takes: by names that have files of an archive.

The names of relations are those of GitLab's records; those of files are the ones that GitLab's own exports
give to their parts (``Projects::ImportExport::RelationExport`` of 18.9).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shared.gitlab import layout
from shared.gitlab.layout import FileKind, relation_file, relation_of
from shared.gitlab.relations import RELATIONS

FILES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "repository": (layout.REPOSITORY,),
        "wiki_repository": (layout.WIKI,),
        "design_repository": (layout.DESIGN,),
        "snippets_repository": (layout.folder_of(FileKind.SNIPPET),),
        "uploads": (layout.folder_of(FileKind.UPLOAD), layout.folder_of(FileKind.AVATAR)),
        "lfs_objects": (layout.folder_of(FileKind.LFS_OBJECT), layout.LFS_INDEX),
    }
)
"""The names that are no records, with their files; the name of a folder ends with ``/``."""

ALIASES: Mapping[str, str] = MappingProxyType({"design": "design_repository"})
"""Names of relation exports, where these differ."""

SELECTABLE: tuple[str, ...] = (*RELATIONS, *FILES)
"""All names, in GitLab's order."""

REFERENCES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "issues": ("design_repository", "uploads"),
        "snippets": ("snippets_repository", "uploads"),
        "releases": ("repository", "uploads"),
        "merge_requests": ("repository", "uploads"),
        "milestones": ("uploads",),
        "external_pull_requests": ("repository",),
        "commit_notes": ("repository", "uploads"),
        "ci_pipelines": ("repository",),
        "pipeline_schedules": ("repository",),
        "protected_branches": ("repository",),
        "protected_tags": ("repository",),
        "approval_rules": ("protected_branches",),
        "repository": ("lfs_objects",),
        "wiki_repository": ("uploads",),
        "design_repository": ("issues", "lfs_objects"),
        "snippets_repository": ("snippets",),
        "lfs_objects": ("repository",),
    }
)
"""What a relation refers to, and does not carry.

Labels, milestones, notes and diffs are no such: they lie in the lines of the records that have them.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationSelection:
    """The ``relations`` that are taken, or, where they are None, all but the ``excluded_relations``.

    What belongs to no relation comes along: the version, the project's own attributes, and other files.
    """

    relations: tuple[str, ...] | None = None
    excluded_relations: tuple[str, ...] = ()

    def keeps(self, relation: str) -> bool:
        """Tell whether a relation is taken, known to GitLab or not."""
        if self.relations is not None:
            return relation in self.relations
        return relation not in self.excluded_relations

    def leaves_out(self, name: str) -> str | None:
        """Give by which relation a file, or a folder with its ``/``, is left out; None where it is not."""
        relation = selectable_of(name)
        return None if relation is None or self.keeps(relation) else relation


def canonical(names: Iterable[str]) -> tuple[str, ...]:
    """Give names in one order and spelling, each once."""
    return tuple(sorted({ALIASES.get(name, name) for name in names}))


def unknown(names: Iterable[str]) -> list[str]:
    """Give the names that nothing has."""
    return [name for name in names if ALIASES.get(name, name) not in SELECTABLE]


def selectable_of(name: str) -> str | None:
    """Give the relation of a file, or of a folder with its ``/``; None for what belongs to none."""
    if relation := relation_of(name):
        return relation
    if exact := _BY_FILE.get(name):
        return exact
    folder, slash, _ = name.partition("/")
    return _BY_FILE.get(folder + slash) if slash else None


def files_of(relation: str) -> tuple[str, ...]:
    """Give the names of the files and folders of a relation."""
    return FILES.get(relation) or (relation_file(relation),)


def missed_references(kept: Iterable[str], left_out: Collection[str]) -> Iterator[tuple[str, str]]:
    """Give which of the kept relations refer to one that was left out, in GitLab's order."""
    taken = set(kept)
    for relation in SELECTABLE:
        if relation in taken:
            for needed in REFERENCES.get(relation, ()):
                if needed in left_out:
                    yield relation, needed


_BY_FILE = {file: relation for relation, files in FILES.items() for file in files}
