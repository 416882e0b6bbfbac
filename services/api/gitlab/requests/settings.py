"""Parses changes of the application settings, and makes their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from services.api.http.errors import ParametersInvalid
from services.api.http.parameters import ParameterReader
from shared.settings.application import IMPORT_SOURCES, ApplicationSettings
from shared.usecases.errors import FieldsInvalid

_NUMBERS = (
    "max_import_size", "max_export_size", "max_import_remote_file_size", "max_decompressed_archive_size",
    "project_import_limit", "github_import_limit", "project_export_limit", "project_download_export_limit",
)  # fmt: skip
_RETENTION = "export_retention"
_LONGEST_RETENTION = 10 * 365 * 24
_BOOLEANS = (
    "allow_local_requests_from_web_hooks_and_services",
    "bulk_import_enabled",
    "project_export_enabled",
)
_ALLOWLIST = "outbound_local_requests_allowlist"
_OLD_ALLOWLIST = "outbound_local_requests_whitelist"
_SOURCES = "import_sources"
_NAMES = (*_NUMBERS, *_BOOLEANS, _ALLOWLIST, _OLD_ALLOWLIST, _SOURCES, _RETENTION)

_LARGEST = 2**31 - 1
_MOST_ALLOWED = 1000
_LONGEST_ALLOWED = 255


def settings_entity(settings: ApplicationSettings) -> dict[str, object]:
    """Make the JSON of the settings. The list of addresses also has its older name in GitLab."""
    return asdict(settings) | {_OLD_ALLOWLIST: settings.outbound_local_requests_allowlist}


def read_settings(given: Mapping[str, object]) -> dict[str, object]:
    """Read the settings to change, by name. Raises ParametersInvalid and FieldsInvalid."""
    if not any(given.get(name) is not None for name in _NAMES):
        raise ParametersInvalid(f"{', '.join(_NAMES)} are missing, at least one parameter must be provided")
    reader = ParameterReader(given)
    changes: dict[str, object] = {name: reader.integer(name) for name in (*_NUMBERS, _RETENTION)}
    changes |= {name: reader.boolean(name) for name in _BOOLEANS}
    name = _ALLOWLIST if given.get(_ALLOWLIST) is not None else _OLD_ALLOWLIST
    changes[_ALLOWLIST] = _texts(reader, given, name)
    changes[_SOURCES] = _sources(reader, given)
    reader.finish()
    changes = {name: value for name, value in changes.items() if value is not None}
    _refuse_invalid(changes)
    return changes


def _texts(reader: ParameterReader, given: Mapping[str, object], name: str) -> list[str] | None:
    """Read a list of texts, or one text that is separated by commas or lines."""
    value = given.get(name)
    if isinstance(value, str):
        value = value.replace("\n", ",").split(",")
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(each, str) and "\0" not in each for each in value):
        reader.problem(name, "is invalid")
        return None
    return [each.strip() for each in value if each.strip()]


def _sources(reader: ParameterReader, given: Mapping[str, object]) -> list[str] | None:
    sources = _texts(reader, given, _SOURCES)
    if sources is not None and not set(sources) <= set(IMPORT_SOURCES):
        reader.problem(_SOURCES, "does not have a valid value")
    return sources


def _refuse_invalid(changes: Mapping[str, object]) -> None:
    """Check the values as GitLab's model does. Raises FieldsInvalid."""
    problems: dict[str, list[str]] = {}
    for name in _NUMBERS:
        value = changes.get(name, 0)
        assert isinstance(value, int)  # noqa: S101  # read as such
        if value < 0:
            problems[name] = ["must be greater than or equal to 0"]
        elif value > _LARGEST:
            problems[name] = [f"must be less than or equal to {_LARGEST}"]
    retention = changes.get(_RETENTION, 1)
    assert isinstance(retention, int)  # noqa: S101  # read as such
    if not 1 <= retention <= _LONGEST_RETENTION:
        problems[_RETENTION] = [f"must be between 1 and {_LONGEST_RETENTION} hours"]
    allowed = changes.get(_ALLOWLIST, [])
    assert isinstance(allowed, list)  # noqa: S101  # read as such
    if (wrong := _wrong_with_allowlist(allowed)) is not None:
        problems[_ALLOWLIST] = [wrong]
    if problems:
        raise FieldsInvalid(problems)


def _wrong_with_allowlist(allowed: list[str]) -> str | None:
    """Tell what is wrong. An address with a scheme would match nothing, and GitLab takes it all the same."""
    if len(allowed) > _MOST_ALLOWED:
        return f"is too long (maximum is {_MOST_ALLOWED} entries)"
    if any(len(each) > _LONGEST_ALLOWED for each in allowed):
        return f"has an entry that is too long (maximum is {_LONGEST_ALLOWED} characters)"
    if url := next((each for each in allowed if "://" in each), None):
        return f"has an entry with a scheme ({url}): give the host alone, or the host and its port"
    return None
