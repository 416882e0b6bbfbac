from __future__ import annotations

import pytest

from shared.projects.rules import NameRefused, check_name, check_path, path_of_name


@pytest.mark.parametrize("path", ["a", "A1", "a.b", "a-b_c.d", "x" * 255, "trees"])
def test_a_path_is_runs_of_letters_and_digits_joined_by_single_signs(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", "Path can't be blank"),
        ("  ", "Path can't be blank"),
        ("x" * 256, "Path is too long (maximum is 255 characters)"),
        ("Tree", "Path Tree is a reserved name"),
        ("-", "Path - is a reserved name"),
        *(
            (path, "It must not start with")
            for path in (
                "a..b",
                "a--b",
                "_a",
                "a_",
                ".a",
                "a.git",
                "A.GIT",
                "a.atom",
                "a b",
                "ä",
                "a/b",
                "a\n",
            )
        ),
    ],
)
def test_a_path_that_no_project_may_have_is_refused_with_the_reason(path: str, text: str) -> None:
    with pytest.raises(NameRefused) as refused:
        check_path(path)

    assert text in str(refused.value)


@pytest.mark.parametrize(
    "name", ["a", "Größe", "名前", "🚀 start", "_x", "1 + 1", "a\u2013b", "x.y", "e\u0301", "👍🏽", "x" * 255]
)
def test_a_name_is_letters_digits_emoji_and_few_signs(name: str) -> None:
    assert check_name(name) == name


def test_blanks_before_a_name_are_dropped() -> None:
    assert check_name("  a b") == "a b"


@pytest.mark.parametrize("name", ["", " ", "-a", "+a", "a/b", "a<b>", "a\0", "a\nb", "a&b", "x" * 256])
def test_a_name_that_no_project_may_have_is_refused(name: str) -> None:
    with pytest.raises(NameRefused):
        check_name(name)


def test_a_path_is_made_of_a_name() -> None:
    assert path_of_name("Ärger & Co. 2") == "arger-co-2"
