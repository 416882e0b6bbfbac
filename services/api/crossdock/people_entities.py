"""Entities of people and of their maps."""

from __future__ import annotations

from msgspec.structs import asdict

from services.api.http.responses import timestamp
from shared.people.people_map import PeopleMap, Person, Row
from shared.usecases.people import MappedUser, MapPreview, ShownMap


def user_entity(mapped: MappedUser) -> dict[str, object]:
    """Describe somebody whom the records of a project name."""
    user = mapped.user
    return {
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "public_email": user.public_email,
        "records": dict(user.records),
        "mapped_to": _person_entity(mapped.person) if mapped.person else None,
    }


def _person_entity(person: Person) -> dict[str, object]:
    return {"username": person.username or None, "public_email": person.public_email or None}


def row_of_user(mapped: MappedUser) -> Row:
    """Make the row in which somebody fills in who that is. Nothing tells from where an archive is."""
    user, person = mapped.user, mapped.person or Person("", "")
    return Row(
        source_user_identifier=str(user.id),
        source_user_name=user.name or "",
        source_username=user.username or "",
        gitlab_username=person.username,
        gitlab_public_email=person.public_email,
    )


def map_entity(shown: ShownMap) -> dict[str, object]:
    """Describe a map with its rows, where they may be shown."""
    stored = shown.stored
    return {
        "rows": len(stored.people.rows),
        "namespace": stored.namespace,
        "author": stored.author,
        "updated_at": timestamp(stored.updated_at),
        "people": [asdict(row) for row in stored.people.rows] if shown.is_whole else None,
    }


def preview_entity(people: PeopleMap, preview: MapPreview) -> dict[str, object]:
    """Describe what a map would do to a project."""
    return {
        "rows": len(people.rows),
        "mapped": preview.mapped,
        "without_email": preview.without_email,
        "unmapped": preview.unmapped,
        "unused_rows": preview.unused_rows,
        "users": [user_entity(each) for each in preview.users],
    }
