from __future__ import annotations

import json
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.gitlab.relations import RELATIONS
from shared.people import appearances, decoding
from shared.people.appearances import NESTED, REFERENCES, Appearance, Appearances, TooManyPeople

_COPIES = {"epic", "merge_request"}
"""Kinds of objects that are records elsewhere, and are there once more."""


def read(*lines: object, relation: str = "issues") -> dict[int, Appearance]:
    found = Appearances()
    for line in lines:
        found.read(line if isinstance(line, bytes) else json.dumps(line).encode(), relation)
    return found.people


def counts(*lines: object) -> dict[int, dict[str, int]]:
    return {number: each.records for number, each in read(*lines).items()}


def test_records_and_what_is_nested_in_them_count_by_their_kind() -> None:
    note = {"author_id": 2, "award_emoji": [{"user_id": 1}, {"user_id": 3}]}
    issue = {"author_id": 1, "updated_by_id": 1, "closed_by_id": None, "notes": [note, note]}
    assert counts(issue, {"author_id": 1}, {"metrics": {"merged_by_id": 4}}) == {
        1: {"issues": 2, "award_emoji": 2},
        2: {"notes": 2},
        3: {"award_emoji": 2},
        4: {"metrics": 1},
    }


def test_names_are_those_of_members_and_else_of_authors() -> None:
    member = {"user_id": 1, "user": {"id": 1, "username": "jane", "public_email": "j@example.com"}}
    old = {"user": {"id": 2, "username": "old\0", "email": "o@example.com", "name": " "}}
    note = {"author_id": 3, "author": {"name": "x" * 300}}
    found = read(member, old, {"notes": [note, {"author_id": 1, "author": {"name": "Jane"}}]})
    assert [(each.username, each.name, each.public_email) for each in found.values()] == [
        ("jane", "Jane", "j@example.com"),
        ("old", None, "o@example.com"),
        (None, "x" * 255, None),
    ]


def test_what_is_of_another_type_hides_nobody() -> None:
    odd = {
        "author_id": "1",
        "user_id": 1.5,
        "notes": {"author_id": 2},
        "text": '"author_id":3 \\"author_id":4',
    }
    assert counts(odd, {"author_id": "x", "notes": [{"author_id": 5}], "events": 7}) == {
        2: {"issues": 1},
        5: {"issues": 1},
    }


@pytest.mark.parametrize("number", [0, -1, 2**63, 10**30])
def test_what_no_account_has_as_its_id_is_nobody(number: int) -> None:
    assert counts({"author_id": number, "user": {"id": number, "username": "u"}}) == {}


def test_a_line_of_very_many_objects_is_searched_and_none_of_them_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "MOST_OBJECTS", 10)
    notes = [{"author_id": 2, "note": "n" * 4000} for _ in range(11)]
    assert counts({"author_id": 1, "notes": notes}) == {1: {"issues": 1}, 2: {"issues": 1}}


def test_a_line_that_nests_deeper_than_the_stack_is_searched() -> None:
    deep = b'{"author_id":1,"notes":[' * 5000 + b"]}" * 5000
    assert counts(deep) == {1: {"issues": 1}}


def test_people_are_counted_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appearances, "MOST", 2)
    with pytest.raises(TooManyPeople):
        read(*({"author_id": number} for number in (1, 2, 1, 3)))


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*REFERENCES, *NESTED, "author", "user", "id", "name"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from([*REFERENCES, *NESTED, "author", "user", "note"]), _json, max_size=5))
def test_whatever_a_record_holds_ids_are_of_its_references(record: dict[str, object]) -> None:
    text = json.dumps(record)
    for number in read(record):
        assert f": {number}" in text


def test_every_kind_of_record_that_names_an_account_is_counted() -> None:
    text = files("shared.gitlab").joinpath("record_shapes.toml").read_text()
    kinds = {
        kind: {word.partition(":")[0] for word in words.split()}
        for kind, words in tomllib.loads(text)["kinds"].items()
    }
    naming = {kind for kind, attributes in kinds.items() if attributes & set(REFERENCES)}
    assert naming - set(NESTED) - set(RELATIONS) == _COPIES
    assert set(NESTED) <= kinds.keys()
    assert set(REFERENCES) <= set().union(*kinds.values())
