"""Parses requests for imports."""

from __future__ import annotations

from collections.abc import Mapping

from services.api.gitlab.requests.override_params import override_params
from services.api.gitlab.requests.people import read_people_of
from services.api.gitlab.requests.selection import read_selection
from services.api.gitlab.upload_forms import UploadForm
from services.api.http.parameters import ParameterReader
from shared.remote.presigned import S3Object
from shared.usecases.archive_sources import ArchiveSource, RemoteUrl
from shared.usecases.imports import Archive, ImportRequest, require_archive_name
from shared.usecases.relation_imports import RelationImportRequest

_NAMESPACES = ("namespace", "namespace_id", "namespace_path")
_S3 = ("region", "bucket_name", "file_key", "access_key_id", "secret_access_key")


def read_upload(form: UploadForm) -> tuple[ImportRequest, Archive]:
    """Read the form. Raises ParametersInvalid, then NoArchive for a file that is none."""
    reader = ParameterReader(form.fields)
    reader.require("path", or_null=True)
    require_file(reader, form)
    return read_import(reader), Archive(object_id=archive_of(form))


def read_relation_upload(form: UploadForm) -> RelationImportRequest:
    """Read the form. Raises ParametersInvalid, then NoArchive for a file that is none."""
    reader = ParameterReader(form.fields)
    reader.require("path")
    require_file(reader, form)
    reader.require("relation")
    path, relation = reader.text("path"), reader.text("relation")
    reader.finish()
    return RelationImportRequest(path=path or "", relation=relation or "", object_id=archive_of(form))


def read_remote(given: Mapping[str, object]) -> tuple[ImportRequest, ArchiveSource]:
    """Read a request with a ``url``, or with a bucket, which some clients send to the same address.

    Raises ParametersInvalid.
    """
    if given.get("url") is None and given.get("bucket_name") is not None:
        return read_s3(given)
    reader = ParameterReader(given)
    for name in ("url", "path"):
        reader.require(name, or_null=True)
    url = reader.text("url") or ""
    return read_import(reader), RemoteUrl(url)


def read_s3(given: Mapping[str, object]) -> tuple[ImportRequest, ArchiveSource]:
    """Read a request for an object in an S3 bucket. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    for name in (*_S3, "path"):
        reader.require(name, or_null=True)
    region, bucket, key, access_key_id, secret = [(reader.text(name) or "").strip() for name in _S3]
    source = S3Object(
        region=region, bucket=bucket, key=key, access_key_id=access_key_id, secret_access_key=secret
    )
    return read_import(reader), source


def read_import(reader: ParameterReader) -> ImportRequest:
    """Read the common parameters of imports, and finish the reader. Raises ParametersInvalid.

    The caller has checked the required parameters, including ``path``.
    """
    path = reader.text("path") or ""
    name = reader.text("name")
    namespace = _namespace_reference(reader)
    overwrite = reader.boolean("overwrite", default=False)
    overrides = override_params(reader.mapping("override_params"), problems=reader.problems)
    people = read_people_of(reader)
    members = reader.boolean("import_members", default=False)
    selection = read_selection(reader)
    reader.finish()
    return ImportRequest(
        path=path,
        name=name,
        namespace=namespace,
        overwrite=bool(overwrite),
        override_params=overrides,
        people=people,
        import_members=bool(members),
        selection=selection,
    )


def _namespace_reference(reader: ParameterReader) -> str | None:
    reader.exclusive(*_NAMESPACES)
    by_id = reader.integer("namespace_id")
    return (
        reader.text("namespace") or reader.text("namespace_path") or (None if by_id is None else str(by_id))
    )


def require_file(reader: ParameterReader, form: UploadForm) -> None:
    """Note a problem where the form has no file."""
    if form.file is None:
        reader.problem("file", "is invalid" if "file" in form.fields else "is missing")


def archive_of(form: UploadForm) -> int:
    """Return the id of the file's object. Raises NoArchive if the file's name is not that of an archive."""
    assert form.file is not None  # noqa: S101  # ``require_file`` has checked it
    require_archive_name(form.file.file_name)
    return form.file.object_id
