from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from msgspec import Raw

from shared.github.statistics import MappingFailure, ObjectType, Subject, Tally, Unmappable, object_type_of
from tests.support.github_answers import raw


def refuse() -> None:
    raise Unmappable("Title can't be blank")


def misread() -> None:
    msgspec.json.decode(b"1", type=str)


def subject(kind: ObjectType = ObjectType.ISSUE, answer: object = None) -> Subject:
    return Subject(kind, raw(answer), {"iid": "number", "title": "title"})


def test_what_is_mapped_counts_as_fetched_and_as_imported() -> None:
    tally = Tally()
    assert tally.attempt(subject(), lambda: 5) == 5
    assert tally.stats == {"fetched": {"issue": 1}, "imported": {"issue": 1}}
    assert tally.failures == []


@pytest.mark.parametrize(
    ("work", "exception_class", "message"),
    [
        (refuse, "ActiveRecord::RecordInvalid", "Validation failed: Title can't be blank"),
        (misread, "ArgumentError", "Expected `str`, got `int`"),
    ],
)
def test_what_cannot_be_mapped_is_a_failure(
    work: Callable[[], None], exception_class: str, message: str
) -> None:
    tally = Tally()
    assert tally.attempt(subject(answer={"number": 1, "title": "t"}), work) is None
    assert tally.stats == {"fetched": {"issue": 1}, "imported": {}}
    identifiers: dict[str, int | str] = {"iid": 1, "title": "t"}
    assert tally.failures == [MappingFailure(ObjectType.ISSUE, identifiers, exception_class, message)]


@pytest.mark.parametrize("kind", [ObjectType.LABEL, ObjectType.MILESTONE, ObjectType.RELEASE])
def test_of_short_lists_only_what_is_valid_counts_as_fetched(kind: ObjectType) -> None:
    tally = Tally()
    tally.attempt(subject(kind), refuse)
    assert tally.stats == {"fetched": {}, "imported": {}}
    assert len(tally.failures) == 1


@pytest.mark.parametrize(
    ("answer", "identifiers"),
    [
        (b"[]", {}),
        (b"null", {}),
        (b'{"number":[],"title":null}', {}),
        (b'{"number":"7"}', {"iid": "7"}),
        (b'{"number":7,"title":"\xff"}', {"iid": 7}),
        (b'{"number":7,"title":"\\ud800\\ud800"}', {}),
        (b'{"title":"%b"}' % (b"x" * 300), {"title": "x" * 256}),
    ],
)
def test_identifiers_are_read_of_whatever_was_answered(answer: bytes, identifiers: object) -> None:
    assert (
        Subject(ObjectType.ISSUE, Raw(answer), {"iid": "number", "title": "title"}).identifiers == identifiers
    )


def test_tallies_add_up_and_keys_are_in_order() -> None:
    one, other = Tally(), Tally()
    one.attempt(subject(ObjectType.NOTE), lambda: 1)
    other.attempt(subject(ObjectType.ISSUE), lambda: 1)
    other.attempt(subject(ObjectType.NOTE), refuse)
    one.add(other)
    assert list(one.stats["fetched"].items()) == [("issue", 1), ("note", 2)]
    assert one.stats["imported"] == {"issue": 1, "note": 1}
    assert len(one.failures) == 1


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("commented", ObjectType.NOTE),
        ("reviewed", ObjectType.PULL_REQUEST_REVIEW),
        ("merged", ObjectType.PULL_REQUEST_MERGED_BY),
        ("closed", ObjectType.ISSUE_EVENT),
        ("cross-referenced", ObjectType.ISSUE_EVENT),
    ],
)
def test_events_count_as_gitlab_counts_them(event: str, kind: ObjectType) -> None:
    assert object_type_of(event) is kind
