from __future__ import annotations

import json

import pytest

from shared.gitlab.project_json import project_attributes
from shared.gitlab.version import FORMAT_VERSION


def test_the_version_has_no_newline() -> None:
    assert FORMAT_VERSION == b"0.2.4"


@pytest.mark.parametrize("document", [b"{}", b'{ "a" : 1 }\n', b'{"description":"<"}'])
def test_a_document_without_overrides_stays_as_it_is(document: bytes) -> None:
    assert project_attributes(document, {}) == document


def test_other_values_keep_their_bytes() -> None:
    document = (
        b'{"a":1.50,"b":"\\u003c\xe2\x9c\x93\\/","c":{ "d" : [1e9] },'
        b'"description":"old","e":1234567890123456789012}'
    )
    changed = document.replace(b'"old"', b'"new"')
    assert project_attributes(document, {"description": "new"}) == changed


def test_what_the_document_does_not_have_is_added() -> None:
    assert project_attributes(b"{}", {"jobs_enabled": False, "n": 1}) == b'{"jobs_enabled":false,"n":1}'


def test_new_values_are_escaped_as_gitlab_does() -> None:
    text = '<a>&\u2028\u2029\u2713"\\\n\0'
    made = project_attributes(b"{}", {"description": text})
    assert made == (b'{"description":"\\u003ca\\u003e\\u0026\\u2028\\u2029\xe2\x9c\x93\\"\\\\\\n\\u0000"}')
    assert json.loads(made) == {"description": text}


@pytest.mark.parametrize(("text", "level"), [("private", 0), ("internal", 10), ("public", 20)])
def test_a_visibility_becomes_a_level(text: str, level: int) -> None:
    made = project_attributes(b'{"visibility_level":10}', {"visibility": text})
    assert json.loads(made) == {"visibility_level": level}
