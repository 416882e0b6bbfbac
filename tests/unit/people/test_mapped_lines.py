from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.gitlab.record_shapes import shape_faults
from shared.people import decoding
from shared.people.bylines import BylineWriter, byline
from shared.people.members import MappedPerson, MemberMapper
from shared.people.people_map import Person

NOW = "2026-01-02T03:04:05.000Z"
JANE = MappedPerson(Person("jane.doe", "Jane@Example.org"), "jane", None)
NAMES = {8: "jo", 9: "Jo @root\n*x"}


def line(record: object) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def member(number: object, **user: object) -> bytes:
    return line(
        {"access_level": 40, "user_id": number, "user": {"id": number, "username": "jane", **user}, "x": 1e5}
    )


def mapped(*lines: bytes) -> list[dict[str, Any]]:
    mapper = MemberMapper({7: JANE})
    found = [mapper.rewrite(each) for each in lines]
    return [json.loads(each) for each in [*found, *mapper.rest(NOW)]]


def written(record: object) -> Any:
    return json.loads(BylineWriter(NAMES).rewrite(line(record)))


def test_a_member_keeps_all_but_who_it_is() -> None:
    user = {"id": 7, "username": "jane.doe", "public_email": "jane@example.org"}
    for given_ in ({"public_email": None}, {"email": "old@example.org"}):
        assert mapped(member(7, **given_)) == [{"access_level": 40, "user_id": 7, "user": user, "x": 1e5}]
    assert MemberMapper({7: JANE}).rewrite(member(7)).endswith(b',"x":100000.0}\n')


def test_what_is_not_told_stays_as_it_was() -> None:
    by_name = MemberMapper({7: MappedPerson(Person("j2", ""), "jane", "Old@example.org")})
    assert json.loads(by_name.rewrite(member(7)))["user"] == {
        "id": 7,
        "username": "j2",
        "public_email": "old@example.org",
    }
    by_email = MemberMapper({7: MappedPerson(Person("", "j@example.org"), None, None)})
    assert json.loads(by_email.rewrite(member(7)))["user"]["username"] == "jane"


@pytest.mark.parametrize(
    "other", [member(8), member("7"), line({"user": None}), line({"user": 7}), b"null", b"[]"]
)
def test_other_lines_stay_byte_for_byte(other: bytes) -> None:
    assert MemberMapper({7: JANE}).rewrite(other) == other


def test_who_is_mapped_and_no_member_becomes_a_guest() -> None:
    kept, added = mapped(member(8))
    assert (kept["user"]["id"], added["access_level"], added["user_id"]) == (8, 10, 7)
    assert added["user"] == {"id": 7, "username": "jane.doe", "public_email": "jane@example.org"}
    assert list(shape_faults(line(added), "project_members", depth=100)) == []


def test_texts_of_unmapped_authors_begin_with_a_line() -> None:
    notes = [
        {"author_id": 8, "note": "hello", "system": False},
        {"author_id": 8, "note": "closed", "system": True},
        {"author_id": 8, "note": ""},
        {"author_id": 7, "note": "mine"},
    ]
    assert written({"author_id": 8, "description": "<b>", "notes": notes, "n": 1.0}) == {
        "author_id": 8,
        "description": "*Created by: jo*\n\n<b>",
        "notes": [notes[0] | {"note": "*Created by: jo*\n\nhello"}, *notes[1:]],
        "n": 1.0,
    }


def test_the_json_is_gitlabs() -> None:
    raw = BylineWriter(NAMES).rewrite(b'{"a":1.50,"author_id":8,"description":"\\u003cb\\u003e"}')
    assert raw == b'{"a":1.50,"author_id":8,"description":"*Created by: jo*\\n\\n\\u003cb\\u003e"}'


@pytest.mark.parametrize(
    "record",
    [
        b'{"author_id": 7, "description" : "x"}\n',
        b'{"author_id": 8, "description" : null, "notes": null}\n',
        b'{"author_id": 8, "description" : "*Created by: jo*\\n\\nx"}',
        b'{"author_id": 8, "description" : 5}',
        b'{"author_id": "8", "description" : "x"}',
        b'{"author_id": 8, "description" : "x", "notes": [7]}',
        b"null",
    ],
)
def test_other_records_stay_byte_for_byte(record: bytes) -> None:
    assert BylineWriter(NAMES).rewrite(record) == record


def test_a_text_that_would_be_too_long_for_gitlab_gets_no_line() -> None:
    long = line({"author_id": 8, "description": "x" * 1_000_001})
    assert BylineWriter(NAMES).rewrite(long) == long


def test_a_record_of_very_many_parts_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    long = line(
        {"author_id": 8, "description": "x" * 40_000, "user": {"id": 7}, **{f"k{n}": n for n in range(20)}}
    )
    for limit in ("MOST_OBJECTS", "MOST_MEMBERS"):
        with monkeypatch.context() as patched:
            patched.setattr(decoding, limit, 1)
            assert BylineWriter(NAMES).rewrite(long) == long == MemberMapper({7: JANE}).rewrite(long)
    assert BylineWriter(NAMES).rewrite(long) != long != MemberMapper({7: JANE}).rewrite(long)


def test_a_name_notifies_nobody_and_stays_on_its_line() -> None:
    assert byline(NAMES[9]) == "*Created by: Jo root *x*\n\n"


_value = st.none() | st.integers(6, 10) | st.text(max_size=4) | st.booleans()
_note = st.fixed_dictionaries(
    {}, optional={"author_id": _value, "note": _value, "system": _value, "x": _value}
)
_record = st.fixed_dictionaries(
    {},
    optional={
        "author_id": _value,
        "description": _value,
        "notes": st.lists(_note, max_size=3) | _value,
        "y": _value,
    },
)


@given(_record)
def test_nothing_but_texts_of_unmapped_authors_changes(record: dict[str, Any]) -> None:
    def without(given_: dict[str, Any]) -> dict[str, Any]:
        notes = given_.get("notes")
        bare = {**given_, "description": None}
        return (
            bare | {"notes": [{**each, "note": None} for each in notes]} if isinstance(notes, list) else bare
        )

    found = written(record)
    assert without(found) == without(record)
    before_all, after_all = record.get("notes"), found.get("notes")
    if not isinstance(before_all, list):
        return
    for before, after in zip(before_all, after_all, strict=True):
        if before.get("author_id") not in NAMES:
            assert before == after
