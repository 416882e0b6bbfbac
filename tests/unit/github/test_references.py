from __future__ import annotations

import pytest

from shared.github.references import read_reference


@pytest.mark.parametrize(
    ("given", "repository", "site"),
    [
        ("octo/Hello.World", "octo/Hello.World", None),
        (" octo/hello.git ", "octo/hello", None),
        ("1296269", 1296269, None),
        ("https://github.com/octo/hello", "octo/hello", None),
        ("https://www.github.com/octo/hello/issues/3?q=a#b", "octo/hello", None),
        ("github.com/octo/hello/", "octo/hello", None),
        ("http://github.com/octo/hello.git", "octo/hello", None),
        ("git@github.com:octo/hello.git", "octo/hello", None),
        ("https://GitHub.Example.com:8443/octo/hello", "octo/hello", "https://github.example.com:8443"),
        ("git@github.example.com:octo/hello.git", "octo/hello", "https://github.example.com"),
    ],
)
def test_a_repository_is_named_as_people_know_it(given: str, repository: int | str, site: str | None) -> None:
    read = read_reference(given)
    assert read is not None
    assert (read.repository, read.site) == (repository, site)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "octo",
        "octo/",
        "octo/..",
        "octo/..git",
        "octo/...git",
        "group/subgroup/project",
        "../../etc",
        "octo/a b",
        "octo/a%2f..",
        "9" * 19,
        "-1",
        "github.com/octo",
        "https://github.com/octo",
        "https://me:s3cret@github.com/octo/hello",
        "ftp://github.com/octo/hello",
        "https:///octo/hello",
        "https://[x/octo/hello",
        "https://github.com/octo/" + "x" * 2048,
    ],
)
def test_what_names_no_repository_is_none(given: str) -> None:
    assert read_reference(given) is None


@pytest.mark.parametrize(
    ("named", "hub", "fits"),
    [
        ("octo/hello", "https://github.example.com", True),
        ("7", "https://github.example.com", True),
        ("https://github.example.com/octo/hello", "https://GitHub.example.com/api/v3/", True),
        ("https://www.github.com/octo/hello", "https://github.com", True),
        ("https://github.com/octo/hello", "https://github.example.com", False),
        ("https://github.example.com/octo/hello", "https://github.example.com:8443", False),
        ("https://github.example.com/octo/hello", "no address", False),
    ],
)
def test_an_address_is_at_its_own_github_alone(named: str, hub: str, *, fits: bool) -> None:
    read = read_reference(named)
    assert read is not None
    assert read.may_be_at(hub) is fits
