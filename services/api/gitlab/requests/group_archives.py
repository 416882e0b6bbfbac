"""Parses requests for imports of groups."""

from __future__ import annotations

from services.api.gitlab.requests.imports import require_file
from services.api.gitlab.upload_forms import UploadForm
from services.api.http.parameters import ParameterReader
from shared.usecases.group_archives import GroupImportRequest


def read_group_upload(form: UploadForm) -> GroupImportRequest:
    """Read the form. Raises ParametersInvalid."""
    reader = ParameterReader(form.fields)
    reader.require("path")
    reader.require("name")
    require_file(reader, form)
    path, name, parent_id = reader.text("path"), reader.text("name"), reader.integer("parent_id")
    reader.integer("organization_id")
    reader.finish()
    return GroupImportRequest(path=path or "", name=name or "", parent_id=parent_id)
