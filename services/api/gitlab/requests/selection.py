"""Parses which relations an export or an import takes."""

from __future__ import annotations

from services.api.http import parameters
from services.api.http.parameters import ParameterReader
from shared.gitlab.relation_selection import SELECTABLE, RelationSelection, canonical, unknown

SELECTION_FIELDS = _ONLY, _BUT = ("relations", "excluded_relations")
_LONGEST_SHOWN = 100


def read_selection(reader: ParameterReader) -> RelationSelection | None:
    """Read ``relations`` or ``excluded_relations``: a list, or names between commas. None for all relations.

    A blank one is as if it were not given, as in GitLab; an empty list of ``relations`` is a problem, as it
    may mean either all or none.
    """
    only, but = _names(reader, _ONLY), _names(reader, _BUT)
    if only is not None and but is not None:
        reader.problems.append(f"{_ONLY}, {_BUT} are mutually exclusive")
    if only is not None:
        if not only:
            reader.problem(_ONLY, "is empty")
        return RelationSelection(relations=canonical(only))
    return RelationSelection(excluded_relations=canonical(but)) if but else None


def _names(reader: ParameterReader, name: str) -> list[str] | None:
    given = reader.given.get(name)
    if given in (None, ""):
        return None
    items = given if isinstance(given, list) else str(given).split(",")
    read = [parameters.text(item) for item in items]
    if None in read or isinstance(given, dict):
        reader.problem(name, "is invalid")
        return []
    names = [item.strip() for item in read if item and item.strip()]
    if not_there := unknown(names):
        what = f"does not have a valid value: {not_there[0][:_LONGEST_SHOWN]}"
        reader.problem(name, f"{what} (possible are {', '.join(SELECTABLE)})")
    return names
