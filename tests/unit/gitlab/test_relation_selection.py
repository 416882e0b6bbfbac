"""Names of relations, and the files that belong to them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.gitlab.relation_selection import (
    REFERENCES,
    SELECTABLE,
    RelationSelection,
    canonical,
    files_of,
    missed_references,
    selectable_of,
    unknown,
)

names = st.lists(st.sampled_from(SELECTABLE), unique=True)


def test_every_relation_is_found_by_its_files_and_by_what_is_below_its_folders() -> None:
    for relation in SELECTABLE:
        for file in files_of(relation):
            assert selectable_of(file) == relation
            if file.endswith("/"):
                assert selectable_of(f"{file}a/b") == relation


def test_what_belongs_to_no_relation_is_never_left_out() -> None:
    none = RelationSelection(relations=())
    for name in (
        "VERSION",
        "tree/project.json",
        "tree/",
        "tree/project/",
        "GITLAB_VERSION",
        "other/x",
        "uploads",
    ):
        assert none.leaves_out(name) is None


def test_a_relation_that_gitlab_does_not_know_is_taken_unless_others_are_named() -> None:
    name = "tree/project/unheard_of.ndjson"
    assert RelationSelection(excluded_relations=("issues",)).leaves_out(name) is None
    assert RelationSelection(relations=("issues",)).leaves_out(name) == "unheard_of"


@given(names)
def test_a_selection_and_its_complement_part_all_files(chosen: list[str]) -> None:
    only, but = (
        RelationSelection(relations=tuple(chosen)),
        RelationSelection(excluded_relations=tuple(chosen)),
    )
    for relation in SELECTABLE:
        for file in files_of(relation):
            assert (only.leaves_out(file) is None) != (but.leaves_out(file) is None)


@given(names)
def test_a_reference_is_missed_where_one_end_alone_is_taken(kept: list[str]) -> None:
    left_out = set(SELECTABLE) - set(kept)
    expected = {(each, needed) for each in kept for needed in REFERENCES.get(each, ()) if needed in left_out}
    assert set(missed_references(kept, left_out)) == expected


def test_names_have_one_spelling_and_one_order() -> None:
    assert canonical(["uploads", "design", "issues", "uploads"]) == ("design_repository", "issues", "uploads")
    assert unknown(["design", "issues", "isues", "project"]) == ["isues", "project"]


def test_references_are_between_names_that_can_be_selected() -> None:
    assert {*REFERENCES, *(needed for each in REFERENCES.values() for needed in each)} <= set(SELECTABLE)
