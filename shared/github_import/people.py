"""Who accounts of GitHub are here, by a map of people."""

from __future__ import annotations

from dataclasses import dataclass

from shared.github.answers import User
from shared.github.origin import Person
from shared.people.people_map import PeopleMap

IMPORT_TYPE = "github"
"""What GitLab calls the source in its maps."""


@dataclass(frozen=True, slots=True)
class MappedPeople:
    """People, as mapping asks for them: who is not in the map is nobody."""

    people: PeopleMap

    def find(self, user: User) -> Person | None:
        """See People."""
        found = self.people.find(
            id=user.id, username=user.login, public_email=user.email, import_type=IMPORT_TYPE
        )
        return None if found is None else Person(found.username or user.login, found.public_email or None)
