"""Parses requests that create or change a schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields as fields_of

from services.api.crossdock.destination_fields import read_name
from services.api.gitlab.requests.selection import SELECTION_FIELDS, read_selection
from services.api.http.parameters import ParameterReader, integer, text
from shared.catalogue.retention import Policy
from shared.schedules.models import Selection
from shared.usecases.schedules import ScheduleFields

MOST_PROJECTS = 1000
MOST_PATTERNS = 100
LONGEST_PATH = 1024
"""How many projects and patterns a schedule may name, and how many characters each of them has at most."""

MOST_KEPT = 10_000
_PERIODS = [field.name for field in fields_of(Policy)]


def read(given: Mapping[str, object], *, is_new: bool) -> ScheduleFields:
    """Read and check the fields, but not the timetable. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    if is_new:
        for name in ("name", "cron"):
            reader.require(name)
    reader.exclusive("source_id", "destination_id")
    destination_id, source_id = reader.integer("destination_id"), reader.integer("source_id")
    into = _filled(reader, "into")
    if is_new:
        _require_place(reader, fetches=source_id is not None)
    fields = ScheduleFields(
        name=read_name(reader),
        destination_id=destination_id if source_id is None else source_id,
        fetches=None if destination_id is source_id is None else source_id is not None,
        into=None if into is None else into.strip("/"),
        cron=_filled(reader, "cron"),
        time_zone=_filled(reader, "time_zone"),
        selection=_selection(reader, is_new=is_new),
        retention=_retention(reader),
        paused=reader.boolean("paused"),
        relations=read_selection(reader),
        sets_relations=not given.keys().isdisjoint(SELECTION_FIELDS),
    )
    for name in ("destination_id", "source_id"):
        if given.get(name) == "":  # which the reader takes for none
            reader.problem(name, "is invalid")
    reader.finish()
    return fields


def _require_place(reader: ParameterReader, *, fetches: bool) -> None:
    """Add a problem where it is not said whence or where to projects go."""
    if fetches:
        reader.require("into")
    else:
        reader.require("destination_id")
        if reader.given.get("into") is not None:
            reader.problem("into", "is for a source_id")


def _filled(reader: ParameterReader, name: str) -> str | None:
    value = reader.text(name)
    if value is not None and not value.strip():
        reader.problem(name, "is blank")
    return None if value is None else " ".join(value.split())


def _selection(reader: ParameterReader, *, is_new: bool) -> Selection | None:
    """Read which projects are meant; None where nothing is said of that."""
    named = {"projects", "group", "patterns", "all"} & {
        name for name, value in reader.given.items() if value is not None
    }
    if not named:
        if is_new:
            reader.problem("projects, group, patterns or all", "is missing")
        return None
    projects = _texts(reader, "projects", most=MOST_PROJECTS)
    patterns = _texts(reader, "patterns", most=MOST_PATTERNS)
    group = reader.text("group")
    if group is not None and not 0 < len(group) <= LONGEST_PATH:
        reader.problem("group", f"must have 1 to {LONGEST_PATH} characters")
    everything = reader.boolean("all") or False
    if [bool(projects), group is not None, everything].count(True) > 1:
        reader.problem("projects, group, all", "are mutually exclusive")
    if not (projects or group or patterns or everything):
        reader.problem("projects, group, patterns or all", "is missing")
    return Selection(projects=projects, group=group, patterns=patterns)


def _texts(reader: ParameterReader, name: str, *, most: int) -> Sequence[str]:
    value = reader.given.get(name)
    if value is None:
        return ()
    items = value if isinstance(value, list) else str(value).split(",")
    found = [text(item) for item in items]
    if len(found) > most:
        reader.problem(name, f"has more than {most} items")
    if any(item is None or not 0 < len(item.strip()) <= LONGEST_PATH for item in found):
        reader.problem(name, f"must be texts of 1 to {LONGEST_PATH} characters")
    return [item.strip().strip("/") for item in found if item is not None]


def _retention(reader: ParameterReader) -> Policy | None:
    """Read what is kept, all of it at once; an empty one keeps everything."""
    if "retention" not in reader.given:
        return None
    given = reader.mapping("retention")
    for name in given.keys() - set(_PERIODS):
        reader.problem(f"retention[{name}]", f"is none of {', '.join(_PERIODS)}")
    kept = {name: integer(value) for name, value in given.items() if name in _PERIODS}
    for name, count in kept.items():
        if count is None or not 0 <= count <= MOST_KEPT:
            reader.problem(f"retention[{name}]", f"must be 0 to {MOST_KEPT}")
    return Policy(**{name: count or 0 for name, count in kept.items()})
