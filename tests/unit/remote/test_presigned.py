from __future__ import annotations

from dataclasses import replace

import pytest
from yarl import URL

from shared.remote.presigned import NotSignable, S3Object, presign

OBJECT = S3Object(
    region="eu-west-1", bucket="my.bucket", key="a b/c", access_key_id="AK", secret_access_key="very-secret"
)


async def test_without_an_endpoint_the_urls_are_those_of_aws_for_28_hours() -> None:
    urls = await presign(OBJECT, endpoint_url=None)
    for url in (URL(urls.head), URL(urls.get)):
        assert (url.scheme, url.host) == ("https", "s3.eu-west-1.amazonaws.com")
        assert url.path == "/my.bucket/a b/c"
        assert url.query["X-Amz-Expires"] == str(28 * 3600)
    assert urls.head != urls.get


@pytest.mark.parametrize("change", [{"region": "x/y"}, {"region": "a.b@c"}, {"bucket": "a/b"}])
async def test_what_would_lead_elsewhere_is_not_signed(change: dict[str, str]) -> None:
    with pytest.raises(NotSignable):
        await presign(replace(OBJECT, **change), endpoint_url=None)


async def test_secrets_are_not_shown() -> None:
    urls = await presign(OBJECT, endpoint_url="http://127.0.0.1:9000")
    assert "very-secret" not in f"{OBJECT!r} {urls!r} {urls.get}"
    assert "Signature" not in repr(urls)
