"""Reads maps of people, which any import may come with."""

from __future__ import annotations

from collections.abc import Mapping

from services.api.http.parameters import ParameterReader
from shared.people.errors import PeopleMapInvalid
from shared.people.people_map import PeopleMap
from shared.people.reading import read_json, read_text


def read_people(given: Mapping[str, object]) -> PeopleMap | None:
    """Read the parameter ``people``: CSV, or rows; None where it is missing or blank.

    Raises PeopleMapInvalid.
    """
    value = given.get("people")
    if value in (None, ""):
        return None
    return read_text(value) if isinstance(value, str) else read_json(value)


def read_people_of(reader: ParameterReader) -> PeopleMap | None:
    """Read the same, with what is wrong as a problem of the reader."""
    try:
        return read_people(reader.given)
    except PeopleMapInvalid as error:
        reader.problem("people", f"is invalid: {error.told}")
        return None
