"""Parses requests for exports."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from services.api.gitlab.requests.selection import read_selection
from services.api.gitlab.requests.upload_targets import read_target
from services.api.http.parameters import ParameterReader
from services.api.http.ranges import wants_range
from shared.gitlab.portable_relations import PORTABLE_RELATIONS
from shared.jobs.models import ExportOrder
from shared.usecases.exports import Wanted
from shared.usecases.relation_files import RelationRequest


def read_wanted(request: web.Request) -> Wanted:
    """Read what a request for a file wants of it."""
    if request.method == "HEAD":
        return Wanted.DESCRIPTION
    return Wanted.PART if wants_range(request.headers) else Wanted.WHOLE


def read_order(given: Mapping[str, object]) -> ExportOrder:
    """Read an export. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    description = reader.text("description")
    target = read_target(reader)
    selection = read_selection(reader)
    reader.finish()
    return ExportOrder(description=description or None, upload=target, selection=selection)


def read_batched(given: Mapping[str, object]) -> bool:
    """Read whether to export relations in batches. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    batched = reader.boolean("batched", default=False)
    reader.finish()
    return bool(batched)


def read_relation_name(given: Mapping[str, object]) -> str | None:
    """Read the relation of a status request; None for all relations. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    name = reader.text("relation")
    reader.finish()
    return name


def read_relation(given: Mapping[str, object]) -> RelationRequest:
    """Read the relation and the batch of a download. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    reader.require("relation")
    name = reader.text("relation") or ""
    batched, number = reader.boolean("batched"), reader.integer("batch_number")
    if (batched is None) != (number is None) and not reader.problems:
        reader.problems.append("batched, batch_number provide all or none of parameters")
    reader.finish()
    relation = PORTABLE_RELATIONS.get(name)
    if relation is None:
        reader.problem("relation", "is not portable")
        reader.finish()
    assert relation is not None  # noqa: S101  # otherwise ``finish`` has raised
    return RelationRequest(relation, number if batched else None)
