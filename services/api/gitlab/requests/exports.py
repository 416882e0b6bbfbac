"""Requests for exports, read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from services.api.http.parameters import Checker
from shared.gitlab.portable_relations import PORTABLE_RELATIONS
from shared.jobs.models import ExportOrder, UploadTarget
from shared.usecases.relation_files import RelationRequest

_METHODS = ("PUT", "POST")


def read_order(given: Mapping[str, object]) -> ExportOrder:
    """Read what was asked for; a blank address asks for no upload. Raises ParametersInvalid."""
    checker = Checker(given)
    description = checker.text("description")
    upload = Checker(checker.mapping("upload"), prefix="upload")
    url = (upload.text("url") or "").strip()
    method: Literal["PUT", "POST"] = "POST" if upload.choice("http_method", _METHODS) == "POST" else "PUT"
    checker.problems += upload.problems
    checker.finish()
    target = UploadTarget(url=url, method=method) if url else None
    return ExportOrder(description=description or None, upload=target)


def read_batched(given: Mapping[str, object]) -> bool:
    """Read whether relations are to be exported in batches. Raises ParametersInvalid."""
    checker = Checker(given)
    batched = checker.boolean("batched", default=False)
    checker.finish()
    return bool(batched)


def read_relation_name(given: Mapping[str, object]) -> str | None:
    """Read which relation's status is asked for; None for all of them. Raises ParametersInvalid."""
    checker = Checker(given)
    name = checker.text("relation")
    checker.finish()
    return name


def read_relation(given: Mapping[str, object]) -> RelationRequest:
    """Read which file of a relation export is asked for. Raises ParametersInvalid."""
    checker = Checker(given)
    checker.require("relation")
    name = checker.text("relation") or ""
    batched, number = checker.boolean("batched"), checker.integer("batch_number")
    if (batched is None) != (number is None) and not checker.problems:
        checker.problems.append("batched, batch_number provide all or none of parameters")
    checker.finish()
    relation = PORTABLE_RELATIONS.get(name)
    if relation is None:
        checker.problem("relation", "is not portable")
        checker.finish()
    assert relation is not None  # noqa: S101  # else ``finish`` raised
    return RelationRequest(relation, number if batched else None)
