"""What runs leave in a bucket, as the command line checks it, restores it and thins it out."""

from __future__ import annotations

import json

import pytest

from services.importer.wiring import make_importers
from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel
from shared.accounts.namespaces import create_group
from shared.schedules.models import ProjectState
from tests.support.command import run_beside
from tests.support.imported import imported
from tests.support.projects import ndjson, project
from tests.support.vault import Vault
from tests.support.workers import at_work

ISSUES = ndjson(b'{"iid":1,"title":"first"}')


@pytest.fixture
def place(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> str:
    """The bucket, by its address and the environment of AWS' tools."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", vault.server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", vault.server.secret_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", vault.server.endpoint)
    return f"s3://{vault.server.bucket}/{vault.prefix}"


async def test_the_command_line_checks_restores_and_prunes_what_a_run_has_sent(
    vault: Vault, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = await imported(vault.api, vault.ann, project(issues=ISSUES), path="one")
    schedule = await vault.new_schedule()
    await vault.back_up(schedule)
    await vault.api.pool.execute(
        "UPDATE projects SET overrides = $2 WHERE id = $1", one.id, {"description": "new"}
    )
    await vault.back_up(schedule)
    group = await create_group(vault.api.pool, "restored", name="Restored")
    await add_member(vault.api.pool, vault.ann.id, namespace_id=group.id, level=AccessLevel.OWNER)
    capsys.readouterr()
    keys = ("--public-key", str(vault.api.url / "api/crossdock/v1/signing-keys"))

    assert await run_beside(monkeypatch, "check", place, "--read-data", *keys, "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["done"] == 2

    server = ("--url", str(vault.api.url), "--token", vault.api.tokens["ann"])
    async with at_work(make_importers(vault.ports, vault.settings)):
        assert await run_beside(monkeypatch, "restore", place, "--into", "restored", *keys, *server) == 0
    again = await vault.api.get("/projects/restored%2Fann%2Fone", by="ann")
    assert again.body["description"] == "new"
    issues = await vault.api.get("/projects/restored%2Fann%2Fone/issues", by="ann")
    assert [each["title"] for each in issues.body] == ["first"]

    assert await run_beside(monkeypatch, "prune", place, "--keep-last", "1") == 0
    assert len(await vault.catalogue()) == 1
    assert (await vault.back_up(schedule)).counts == {ProjectState.DONE: 1, ProjectState.SKIPPED: 1}
