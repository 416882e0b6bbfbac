from __future__ import annotations

import pytest

from services.api.http.nesting import nest


@pytest.mark.parametrize(
    ("pairs", "nested"),
    [
        ([("a", "1"), ("a", "2")], {"a": "2"}),
        ([("a[b]", "1"), ("a[c]", "2")], {"a": {"b": "1", "c": "2"}}),
        ([("a", {"b": "1"}), ("a[c]", "2")], {"a": {"b": "1", "c": "2"}}),
        ([("a[]", "1"), ("a[]", "2")], {"a": ["1", "2"]}),
        ([("a[b][]", "1")], {"a": {"b": ["1"]}}),
        ([("a", "1"), ("a[b]", "2")], {"a": {"b": "2"}}),
        ([("a[b", "1"), ("[a]", "2"), ("a]b[", "3")], {"a[b": "1", "[a]": "2", "a]b[": "3"}),
    ],
)
def test_values_go_where_their_names_say(pairs: list[tuple[str, object]], nested: dict[str, object]) -> None:
    assert nest(pairs) == nested


def test_a_name_nested_too_deep_is_taken_as_it_stands() -> None:
    name = "a" + "[b]" * 100_000

    assert nest([(name, "1")]) == {name: "1"}
