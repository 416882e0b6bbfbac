from __future__ import annotations

import pytest
from yarl import URL

from shared.github_import.opener import _trusted, _with_token
from shared.remote.api_address import ApiAddress
from shared.remote.errors import SchemeRefused

SAFE = ApiAddress(URL("https://api.github.com"), "s3cret")


def test_git_gets_the_token_as_its_user() -> None:
    url = URL("https://github.com/octo/one.git")
    assert _with_token(url, SAFE) == "https://s3cret:@github.com/octo/one.git"


@pytest.mark.parametrize("scheme", ["http", "git", "file"])
def test_no_address_gets_the_token_without_tls_that_an_api_with_tls_has_told(scheme: str) -> None:
    with pytest.raises(SchemeRefused):
        _trusted(URL(f"{scheme}://github.com/octo/one.git"), SAFE)
    with pytest.raises(SchemeRefused):
        _with_token(URL(f"{scheme}://github.com/octo/one.git"), SAFE)
