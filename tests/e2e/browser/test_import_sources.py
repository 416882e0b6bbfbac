"""Imports from elsewhere by the console: an address, a bucket, GitHub, each a real server."""

from __future__ import annotations

import re

import pytest
from aiobotocore.session import get_session
from playwright.async_api import expect

from tests.support.background import background
from tests.support.browsed import LEFT_OUT, own
from tests.support.browser import Visit
from tests.support.github.hub import Hub
from tests.support.instance import Instance
from tests.support.origin import Origin
from tests.support.seaweedfs import S3Server

KEY = "console/a b.tar.gz"


@pytest.fixture
def bucket(remote_s3: S3Server) -> S3Server:
    """A bucket that has an archive."""
    with background() as loop:
        loop.run(_put(remote_s3))
    return remote_s3


async def _put(server: S3Server) -> None:
    async with get_session().create_client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    ) as client:
        await client.put_object(Bucket=server.bucket, Key=KEY, Body=LEFT_OUT, ContentType="application/gzip")


async def _import(visit: Visit, path: str) -> None:
    """Say where to, and import; wait for the end."""
    await visit.page.get_by_label("Path").fill(path)
    await visit.page.get_by_role("button", name="Import", exact=True).click()
    heading = visit.page.get_by_role("heading", level=1)
    await expect(heading).to_contain_text(path)
    await expect(heading).to_contain_text("finished", timeout=30_000)


async def _kept(visit: Visit, secret: str) -> list[str]:
    """Where a browser keeps what should be nowhere."""
    script = "JSON.stringify([location.href, history.state, {...localStorage}, {...sessionStorage}])"
    addresses = [each.url for each in visit.context.pages]
    return [each for each in [*addresses, await visit.page.evaluate(script)] if secret in each]


async def test_an_archive_at_an_address_is_imported(visit: Visit, origin: Origin) -> None:
    await visit.open("/import?from=url")
    await visit.page.get_by_label("Address of the archive").fill(origin.url)
    await _import(visit, "fetched")
    assert await _kept(visit, "hunter2") == []


async def test_an_archive_in_a_bucket_is_imported_after_its_name_was_mended(
    visit: Visit, bucket: S3Server
) -> None:
    visit.expect("status of 400")
    await visit.open("/import?from=s3")
    await visit.page.get_by_label("Region").fill(bucket.region)
    await visit.page.get_by_label("Bucket").fill(bucket.bucket)
    await visit.page.get_by_label("Name of the object").fill("none.tar.gz")
    await visit.page.get_by_label("Access key id").fill(bucket.access_key)
    secret = visit.page.get_by_label("Secret access key")
    await secret.fill(bucket.secret_key)
    await expect(secret).to_have_attribute("type", "password")
    await visit.page.get_by_label("Path").fill("stored")
    await visit.page.get_by_role("button", name="Import", exact=True).click()
    await expect(visit.page.get_by_label("Name of the object")).to_be_focused()
    await expect(visit.page.get_by_role("alert")).to_contain_text("File not found 'none.tar.gz'")
    await visit.page.get_by_label("Name of the object").fill(KEY)
    await _import(visit, "stored")
    assert await _kept(visit, bucket.secret_key) == []


async def test_a_repository_of_github_is_imported_with_what_was_asked_for(
    visit: Visit, gitlab: Instance, ann: str, hub: Hub
) -> None:
    visit.expect("status of 4")
    await visit.open("/import?from=github")
    token = visit.page.get_by_label("Personal access token of GitHub")
    await expect(token).to_have_attribute("type", "password")
    await token.fill("ghp_wrong")
    repository = visit.page.get_by_role("textbox", name=re.compile("^Repository"))
    await repository.fill(f"{hub.address}/octo/nothing")
    await visit.page.get_by_label("Files of releases").check()
    path = visit.page.get_by_label("Path")
    await path.click()
    await expect(path).to_have_value("nothing")
    await path.fill("from-github")
    await visit.page.get_by_role("button", name="Import", exact=True).click()
    await expect(token).to_be_focused()
    await expect(visit.page.get_by_role("alert")).to_contain_text("GitHub does not know this token.")
    await token.fill(hub.token)
    await visit.page.get_by_role("button", name="Import", exact=True).click()
    await expect(repository).to_be_focused()
    await expect(visit.page.get_by_role("alert")).to_contain_text("GitHub has no such repository")
    await repository.fill("http://github.example.com/octo/everything")
    await visit.page.get_by_role("button", name="Import", exact=True).click()
    await expect(repository).to_be_focused()
    await expect(visit.page.get_by_role("alert")).to_contain_text("not allowed here")
    hub.github.slow_down("/repos/", seconds=60)
    await repository.fill(f"{hub.address}/octo/everything")
    await visit.page.get_by_role("button", name="Import", exact=True).click()
    await expect(token).to_be_focused()
    await expect(visit.page.get_by_role("alert")).to_contain_text(
        "GitHub takes no more requests of the token for"
    )
    await repository.fill("octo/everything")
    await visit.page.get_by_label("Address of your GitHub Enterprise").fill(hub.address)
    await _import(visit, "from-github")
    assert await _kept(visit, hub.token) == []
    (listed,) = await own(gitlab, "/jobs", by=ann)
    job = await own(gitlab, f"/jobs/{listed['id']}", by=ann)
    assert job["progress"]["relations"]["issues"]["lines"] > 0
