"""Who the accounts of GitHub are, by a map of people."""

from __future__ import annotations

from dataclasses import dataclass

from shared.github.answers import User
from shared.github.origin import Person
from shared.people.people_map import PeopleMap

IMPORT_TYPE = "github"
"""The word for GitHub in the column "Import type"."""


@dataclass(frozen=True, slots=True)
class MappedPeople:
    """Finds persons in a map, and else by the public e-mail of the account, as GitLab does."""

    people: PeopleMap

    def find(self, user: User) -> Person | None:
        """Give the person of an account; None for nobody."""
        found = self.people.find(
            id=user.id, username=user.login, public_email=user.email, import_type=IMPORT_TYPE
        )
        if found is not None:
            return Person(found.username or user.login, found.public_email or user.email)
        return Person(user.login, user.email) if user.email else None
