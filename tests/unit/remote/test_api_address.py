from __future__ import annotations

import pytest
from yarl import URL

from shared.jobs.sealed_orders import is_clear
from shared.remote.api_address import ApiAddress


@pytest.mark.parametrize("api", ["https://api.github.com", "http://github.example.test:8080/api/v3"])
@pytest.mark.parametrize("token", ["ghp_s3cret", "a@b:c/d%2F?#[]"])
def test_what_is_written_is_read_again_and_the_token_is_in_no_repr(api: str, token: str) -> None:
    address = ApiAddress(URL(api), token)
    assert ApiAddress.read(address.write()) == address
    assert str(ApiAddress.read(address.write()).api).rstrip("/") == api
    assert token not in repr(address)


def test_an_address_is_one_that_is_not_sealed_yet() -> None:
    assert is_clear(ApiAddress(URL("https://api.github.com"), "t").write())
