"""The relations of GitLab's direct transfer (GitLab 18.9), as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from shared.gitlab.layout import RELATION_SUFFIX, relation_file
from shared.gitlab.relations import RELATIONS, SINGLE


class Form(Enum):
    """The form of a relation's file; the value follows the relation's name in the file's name."""

    LINES = f"{RELATION_SUFFIX}.gz"
    DOCUMENT = ".json.gz"
    ARCHIVE = ".tar.gz"


@dataclass(frozen=True, slots=True)
class PortableRelation:
    """A relation, and whether it can be exported in batches."""

    name: str
    form: Form
    batchable: bool = False

    @property
    def file_name(self) -> str:
        """The name of its download, and of each of its batches."""
        return f"{self.name}{self.form.value}"

    @property
    def entry(self) -> str:
        """The name of its file in an archive of the whole project."""
        return relation_file(self.name)


_SKIPPED = "project_members"
"""GitLab transfers members through its API instead."""

PORTABLE_RELATIONS = {
    relation.name: relation
    for relation in (
        PortableRelation("self", Form.DOCUMENT),
        *(PortableRelation(name, Form.LINES, name not in SINGLE) for name in RELATIONS if name != _SKIPPED),
        PortableRelation("uploads", Form.ARCHIVE, batchable=True),
        PortableRelation("lfs_objects", Form.ARCHIVE, batchable=True),
        PortableRelation("repository", Form.ARCHIVE),
        PortableRelation("design", Form.ARCHIVE),
    )
}
"""All of them by name, the attributes of the project itself first."""
