from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.gitlab.layout import relation_of
from shared.gitlab.record_shapes import is_known, project_faults, shape_faults
from shared.gitlab.relations import RELATIONS
from tests.support.samples.relations import line
from tests.support.samples.table import further

AT = {"created_at": "2024-01-02T03:04:05.678Z", "updated_at": "2024-01-02T03:04:05.678Z"}
LABEL = {"title": "bug", "color": "#ff0000", "project_id": 1, "template": False, "type": "ProjectLabel"} | {
    "description": None, "priorities": [], **AT,
}  # fmt: skip
EVENT = {"action": "add", "user_id": 1, "created_at": AT["created_at"], "label": LABEL}


def faults(record: object, relation: str = "labels") -> list[tuple[str, str]]:
    found = shape_faults(line(record), relation, depth=100)
    return [(fault.field, fault.message) for fault in found]


@pytest.mark.parametrize("relation", RELATIONS)
def test_every_relation_of_gitlab_has_a_shape(relation: str) -> None:
    assert is_known(relation)
    assert ("x", f"is no attribute of {relation}") in faults({"x": 1}, relation)


@pytest.mark.parametrize("name", ["services", "notes", "project"])
def test_what_is_no_relation_of_gitlab_is_not_known(name: str) -> None:
    assert not is_known(name)


def test_a_record_as_gitlab_writes_it_has_no_fault() -> None:
    assert faults(LABEL) == []


def test_what_all_records_have_is_missed() -> None:
    assert faults({name: value for name, value in LABEL.items() if name != "color"}) == [
        ("color", "is missing")
    ]


def test_an_attribute_that_gitlab_does_not_have_is_told() -> None:
    assert faults({**LABEL, "colour": "red"}) == [("colour", "is no attribute of labels")]


def test_the_name_of_such_an_attribute_is_cut() -> None:
    [(field, _)] = faults({**LABEL, "x" * 1000: 1})
    assert field == "x" * 100


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1, "is an integer, not a string"),
        (1.5, "is a fraction, not a string"),
        (None, "can't be blank"),
        (True, "is a boolean, not a string"),
        ([], "is a list, not a string"),
        ({}, "is an object, not a string"),
    ],
)
def test_a_value_of_another_type_is_told(value: object, message: str) -> None:
    assert faults({**LABEL, "title": value}) == [("title", message)]


@pytest.mark.parametrize(
    "time", ["2024-01-02T03:04:05Z", "2024-01-02 03:04:05 UTC", "2024-01-02T03:04:05.1+02:00"]
)
def test_times_have_the_forms_that_gitlab_has_had(time: str) -> None:
    assert faults({**LABEL, "created_at": time}) == []


@pytest.mark.parametrize("time", ["2024-01-02", "yesterday", "", "2024-01-02T03:04:05"])
def test_what_is_no_time_is_told(time: str) -> None:
    assert faults({**LABEL, "created_at": time}) == [("created_at", "is a string, not a time")]


def test_what_is_no_day_is_told() -> None:
    milestone = {"iid": 1, "title": "v1", "project_id": 1, "description": "", "state": "active", **AT}
    assert faults({**milestone, "due_date": "2024-01-02"}, "milestones") == []
    told = [("due_date", "is a string, not a day or null")]
    assert faults({**milestone, "due_date": AT["created_at"]}, "milestones") == told


def test_a_word_that_gitlab_does_not_know_is_told() -> None:
    events = {"resource_label_events": [{**EVENT, "action": "labeled"}]}
    path = "resource_label_events[0].action"
    assert (path, "is none of add, remove") in faults(events, "issues")


def test_what_is_nested_is_held_against_its_own_shape() -> None:
    events = {"title": "t", "resource_label_events": [EVENT, {**EVENT, "label": {**LABEL, "title": 1}}]}
    told = [each for each in faults(events, "issues") if each[1] != "is missing"]
    assert told == [("resource_label_events[1].label.title", "is an integer, not a string")]


def test_an_element_that_is_no_record_is_told() -> None:
    assert ("notes[0]", "is an integer, not an object") in faults({"notes": [1]}, "issues")


def test_null_is_a_relation_of_one_that_is_not_there() -> None:
    assert faults(None, "project_feature") == []
    assert faults(None) == [("", "is null, not an object")]


@pytest.mark.parametrize(
    "text",
    [b"{", b'{"a":1} {}', b"\xef\xbb\xbf{}", b'{"\xff":1}', b'{"\\ud800\\ud800":1}', b'{"type":"\xff"}'],
)
def test_what_is_no_json_is_told(text: bytes) -> None:
    *_, fault = shape_faults(text, "notes", depth=100)
    assert fault.message.startswith("is not JSON: ")


def test_a_line_that_nests_too_deep_is_not_parsed() -> None:
    [fault] = shape_faults(b"[" * 200 + b"]" * 200, "labels", depth=100)
    assert fault.message == "nests 200 deep, over the limit of 100"


def test_the_project_has_a_shape_too() -> None:
    assert list(project_faults(b"{}", depth=100)) == []
    [fault] = project_faults(b'{"visibility_level": "private"}', depth=100)
    assert fault.field == "visibility_level"


def lines_of(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as tar:
        for member in tar:
            relation = relation_of(member.name.removeprefix("./"))
            data = tar.extractfile(member) if member.isreg() else None
            if data and relation and is_known(relation):
                yield from ((relation, each) for each in data.read().splitlines())


def test_archives_of_gitlab_have_no_fault() -> None:
    lines = ((path, name, each) for path in further() for name, each in lines_of(path))
    found = [
        (path, name, fault) for path, name, each in lines for fault in shape_faults(each, name, depth=1000)
    ]
    assert found == []
