"""What a project is exported as, relation by relation (GitLab 18.9, direct transfer), as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from shared.gitlab.layout import RELATION_SUFFIX, relation_file
from shared.gitlab.relations import RELATIONS, SINGLE


class Form(Enum):
    """What the file of a relation is, behind the relation's name."""

    LINES = f"{RELATION_SUFFIX}.gz"
    DOCUMENT = ".json.gz"
    ARCHIVE = ".tar.gz"


@dataclass(frozen=True, slots=True)
class PortableRelation:
    """A relation, and whether its file may come in batches."""

    name: str
    form: Form
    batchable: bool = False

    @property
    def file_name(self) -> str:
        """The name under which it is downloaded, every batch of it as well."""
        return f"{self.name}{self.form.value}"

    @property
    def entry(self) -> str:
        """The name of its lines in an archive of the whole project."""
        return relation_file(self.name)


_SKIPPED = "project_members"
"""GitLab has members fetched through its API."""

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
"""All of them by name, the root's own attributes first."""
