from __future__ import annotations

import pytest
from yarl import URL

from shared.github.client import GITHUB, api_of


@pytest.mark.parametrize(
    ("address", "api"),
    [
        (None, "https://api.github.com"),
        ("https://github.com", "https://api.github.com"),
        ("https://github.com/", "https://api.github.com"),
        ("https://github.example.com", "https://github.example.com/api/v3"),
        ("https://github.example.com/", "https://github.example.com/api/v3"),
        ("http://github.example.com:8080", "http://github.example.com:8080/api/v3"),
        ("https://github.example.com/api/v3", "https://github.example.com/api/v3"),
        ("https://api.example.com/api/", "https://api.example.com/api/"),
    ],
)
def test_the_api_is_below_the_address_but_for_github_com(address: str | None, api: str) -> None:
    assert api_of(address) == URL(api)
    assert api_of(None) == GITHUB
