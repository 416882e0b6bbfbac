"""Runs of schedules over a real database and a real S3, as the command line reads what they leave."""

from __future__ import annotations

import json
from contextlib import aclosing
from hashlib import sha256

import pytest

from shared.accounts.memberships import add_member, add_project_member
from shared.accounts.models import AccessLevel
from shared.accounts.namespaces import create_group
from shared.jobs.metrics import JobMetrics
from shared.jobs.requeue import Requeue
from shared.manifest.format import signed_text
from shared.projects import store as projects
from shared.projects.models import Project
from shared.schedules import backups
from shared.schedules.backups import ReservedName
from shared.schedules.models import ProjectState, RunState
from shared.signing.signer import has_signed, parse_signer
from tests.support.imported import imported
from tests.support.projects import files, ndjson, project
from tests.support.sealing import KEY
from tests.support.vault import Vault

ISSUES = ndjson(b'{"iid":1,"title":"first"}')


async def read(vault: Vault, key: str) -> bytes:
    async with aclosing(vault.bucket.read(key)) as pieces:
        return b"".join([piece async for piece in pieces])


async def change(vault: Vault, made: Project, description: str) -> None:
    """Have the archive of a project be another one."""
    await vault.api.pool.execute(
        "UPDATE projects SET overrides = $2 WHERE id = $1", made.id, {"description": description}
    )


async def test_a_run_leaves_archives_as_the_command_line_does(vault: Vault) -> None:
    one = await imported(vault.api, vault.ann, project(issues=ISSUES), path="one")
    await imported(vault.api, vault.ann, project(), path="two")

    run = await vault.back_up(await vault.new_schedule())

    assert (run.state, run.counts) == (RunState.FINISHED, {ProjectState.DONE: 2})
    catalogue = await vault.catalogue()
    assert catalogue.unrecorded == []
    record = next(each for each in catalogue if each.project == "ann/one")
    archive, manifest = await read(vault, record.file), await read(vault, f"{record.file[:-7]}.manifest.json")
    assert files(archive)["tree/project/issues.ndjson"] == ISSUES
    assert (record.bytes, record.sha256) == (len(archive), sha256(archive).hexdigest())
    assert record.manifest == sha256(manifest).hexdigest()
    assert record.last_activity_at is not None
    assert (record.source, record.project_id) == ("https://gitlab.example.com", one.id)
    signature = await read(vault, f"{record.file[:-7]}.manifest.json.sig")
    assert record.signature == signature.hex()
    signer = parse_signer(KEY)
    assert signer is not None
    assert has_signed(signer.public_keys, signed_text(bytes.fromhex(record.manifest)), signature)
    lines = (await read(vault, "catalogue.jsonl")).splitlines()
    assert {json.loads(line)["project"] for line in lines} == {"ann/one", "ann/two"}
    (report,) = await vault.keys("runs/")
    assert json.loads(await read(vault, report)) | {"seconds": 0} == {
        "done": 2, "skipped": 0, "failed": 0, "seconds": 0, "failures": [],
        "bytes": sum(each.bytes for each in catalogue),
    }  # fmt: skip


async def test_what_has_not_changed_is_skipped(vault: Vault) -> None:
    one = await imported(vault.api, vault.ann, project(), path="one")
    schedule = await vault.new_schedule()
    await vault.back_up(schedule)

    again = await vault.back_up(schedule)
    assert (again.state, again.counts) == (RunState.FINISHED, {ProjectState.SKIPPED: 1})
    assert [each.why for each in await vault.projects(again)] == ["unchanged"]
    assert len(await vault.catalogue()) == 1

    await change(vault, one, "new")
    assert (await vault.back_up(schedule)).counts == {ProjectState.DONE: 1}
    assert len(await vault.catalogue()) == 2


async def test_a_project_that_was_touched_and_has_the_same_files_is_skipped_by_its_job(vault: Vault) -> None:
    one = await imported(vault.api, vault.ann, project(), path="one")
    schedule = await vault.new_schedule()
    await vault.back_up(schedule)
    for _ in range(2):
        await vault.api.pool.execute("UPDATE projects SET archived = NOT archived WHERE id = $1", one.id)

    again = await vault.back_up(schedule)
    assert again.counts == {ProjectState.SKIPPED: 1}
    assert (await vault.projects(again))[0].job_id is not None
    third = await vault.back_up(schedule)
    assert (await vault.projects(third))[0].job_id is None


async def test_an_archive_that_is_gone_is_sent_again(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    schedule = await vault.new_schedule()
    await vault.back_up(schedule)
    (record,) = await vault.catalogue()
    await vault.bucket.delete([record.file])
    assert (await vault.back_up(schedule)).counts == {ProjectState.DONE: 1}


async def test_a_schedule_does_not_rely_on_the_archives_of_another(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    for name in ("one", "two"):
        assert (await vault.back_up(await vault.new_schedule(name))).counts == {ProjectState.DONE: 1}
    assert len(await vault.catalogue()) == 2


async def test_two_runs_into_one_bucket_at_the_same_second_keep_apart(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    started = [await vault.start(await vault.new_schedule(name)) for name in ("one", "two")]
    await vault.keeper.make_round()
    await vault.keeper.make_round()
    await vault.api.pool.execute("UPDATE jobs SET started_at = '2026-11-28T02:00Z' WHERE kind = 'backup'")
    for number in started:
        assert (await vault.finish(number)).counts == {ProjectState.DONE: 1}
    records = [*await vault.catalogue()]
    assert [f"{each.time:%H:%M:%S}" for each in records] == ["02:00:00", "02:00:01"]
    lines = (await read(vault, "catalogue.jsonl")).splitlines()
    assert {json.loads(line)["file"] for line in lines} == {each.file for each in records}


async def test_the_projects_are_those_of_the_selection_and_of_the_rights(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    await imported(vault.api, vault.ann, project(), path="web")
    bob = await vault.api.user("bob")
    lent = await vault.api.project(bob, "lent")
    guest = await vault.api.project(bob, "guest")
    await vault.api.project(bob, "secret")
    for made, level in ((lent, AccessLevel.MAINTAINER), (guest, AccessLevel.GUEST)):
        await add_project_member(vault.api.pool, vault.ann.id, project_id=made.id, level=level)

    async def paths(**selection: object) -> dict[str, str | None]:
        name = f"schedule {selection}"
        run = await vault.back_up(await vault.new_schedule(name, **selection))
        return {each.path: each.code for each in await vault.projects(run)}

    assert await paths() == dict.fromkeys(("ann/one", "ann/web", "bob/lent"))
    assert await paths(patterns=["*/w?b", "x"]) == {"ann/web": None}
    assert await paths(projects=["ann/one", str(guest.id), "bob/secret", "no/such"]) == {
        "ann/one": None, str(guest.id): "forbidden", "bob/secret": "not_found", "no/such": "not_found",
    }  # fmt: skip


async def test_a_group_stands_for_all_below_it(vault: Vault) -> None:
    pool = vault.api.pool
    group = await create_group(pool, "forge", name="Forge")
    await add_member(pool, vault.ann.id, namespace_id=group.id, level=AccessLevel.OWNER)
    below = await create_group(pool, "tools", name="Tools", parent=group)
    for namespace in (group, below):
        await projects.create(
            pool,
            projects.NewProject(namespace_id=namespace.id, creator_id=vault.ann.id, path="made", name="made"),
        )
    await imported(vault.api, vault.ann, project(), path="elsewhere")
    run = await vault.back_up(await vault.new_schedule(group="forge"))
    assert [each.path for each in await vault.projects(run)] == ["forge/made", "forge/tools/made"]
    schedule = await vault.new_schedule("lost", group="forge/tools")
    await pool.execute("DELETE FROM projects WHERE namespace_id = $1", below.id)
    await pool.execute("DELETE FROM namespaces WHERE id = $1", below.id)
    lost = await vault.back_up(schedule)
    assert (lost.state, lost.error_code, lost.counts) == (RunState.FAILED, "not_found", {})


async def test_rights_are_those_at_the_time_of_each_run(vault: Vault) -> None:
    bob = await vault.api.user("bob")
    lent = await vault.api.project(bob, "lent")
    await add_project_member(vault.api.pool, vault.ann.id, project_id=lent.id, level=AccessLevel.MAINTAINER)
    schedule = await vault.new_schedule(projects=["bob/lent"])
    started = await vault.start(schedule)
    await vault.keeper.make_round()
    await vault.api.pool.execute("DELETE FROM memberships WHERE user_id = $1", vault.ann.id)
    run = await vault.finish(started)
    assert (run.state, run.error) == (RunState.FAILED, "1 of 1 projects failed")
    assert [each.code for each in await vault.projects(run)] == ["not_found"]


async def test_exports_that_are_switched_off_fail_the_run(vault: Vault) -> None:
    root = await vault.api.user("root", is_admin=True)
    await vault.api.call(
        "PUT", "/api/v4/application/settings", by=root.username, json={"project_export_enabled": False}
    )
    run = await vault.back_up(await vault.new_schedule())
    assert (run.state, run.error_code) == (RunState.FAILED, "exports_disabled")


async def test_a_run_has_a_limited_number_of_projects(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.usecases.runs.MOST_PROJECTS", 1)
    for path in ("one", "two"):
        await vault.api.project(vault.ann, path)
    run = await vault.back_up(await vault.new_schedule())
    assert (run.state, run.error) == (RunState.FAILED, "the schedule selects more than 1 projects")


async def test_jobs_of_a_run_are_queued_a_few_at_a_time(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.process.run_keeper.WINDOW", 2)
    for path in ("one", "two", "three"):
        await imported(vault.api, vault.ann, project(), path=path)
    number = await vault.start(await vault.new_schedule())
    for _ in range(3):
        await vault.keeper.make_round()
        assert await vault.api.pool.fetchval("SELECT count(*) <= 2 FROM jobs WHERE kind = 'backup'")
    assert (await vault.finish(number)).counts == {ProjectState.DONE: 3}


async def test_a_project_that_is_deleted_meanwhile_fails_and_the_rest_goes_on(vault: Vault) -> None:
    one = await imported(vault.api, vault.ann, project(), path="one")
    await imported(vault.api, vault.ann, project(), path="two")
    number = await vault.start(await vault.new_schedule())
    for _ in range(2):
        await vault.keeper.make_round()
    await projects.delete(vault.api.pool, one.id)
    run = await vault.finish(number)
    assert (run.state, run.error) == (RunState.PARTIAL, "1 of 2 projects failed")
    assert {each.path: each.code for each in await vault.projects(run)} == {
        "ann/one": "project_deleted", "ann/two": None,
    }  # fmt: skip


@pytest.mark.parametrize("vault", [{"job_attempts": 1}], indirect=True)
@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        ({"secret_access_key": "hunter2"}, "bucket_refused", "SignatureDoesNotMatch"),
        ({"endpoint": "http://127.0.0.1:1"}, "bucket_unavailable", "Could not connect"),
    ],
)
async def test_what_the_bucket_says_is_told(
    vault: Vault, wrong: dict[str, object], code: str, said: str
) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    where = await vault.new_destination("wrong", **wrong)
    run = await vault.back_up(await vault.new_schedule(destination_id=where))
    (one,) = await vault.projects(run)
    assert (run.state, one.state, one.code) == (RunState.FAILED, ProjectState.FAILED, code)
    assert said in (one.why or "")
    assert "hunter2" not in (one.why or "")
    assert await vault.api.pool.fetchval("SELECT attempt FROM jobs WHERE kind = 'backup'") == 1


async def test_a_job_that_was_queued_while_its_run_was_canceled_names_who_did_that(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    number = await vault.start(await vault.new_schedule())
    for _ in range(2):
        await vault.keeper.make_round()
    mark = "UPDATE schedule_runs SET is_canceled = true, canceled_by = $2 WHERE id = $1"
    await vault.api.pool.execute(mark, number, vault.ann.id)
    await vault.keeper.make_round()
    (job,) = (await vault.call("GET", "/jobs?kind=backup")).body
    assert (job["state"], job["canceled_by"]["username"]) == ("canceled", "ann")


async def test_a_run_that_is_canceled_ends_with_its_jobs(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    number = await vault.start(await vault.new_schedule())
    for _ in range(2):
        await vault.keeper.make_round()
    answer = await vault.call("POST", f"/runs/{number}/cancel")
    assert (answer.status, answer.body["canceled"]) == (200, True)
    assert answer.body["canceled_by"]["username"] == "ann"
    run = await vault.finish(number)
    assert (run.state, run.counts) == (RunState.CANCELED, {ProjectState.CANCELED: 1})
    (job,) = (await vault.call("GET", "/jobs?kind=backup")).body
    assert (job["state"], job["canceled_by"]["username"]) == ("canceled", "ann")
    assert len(await vault.catalogue()) == 0


async def test_retention_removes_what_the_rule_does_not_keep_and_no_archive_of_others(vault: Vault) -> None:
    one = await imported(vault.api, vault.ann, project(), path="one")
    await vault.back_up(await vault.new_schedule("other"))
    schedule = await vault.new_schedule(retention={"last": 2})
    for number in range(4):
        await change(vault, one, f"{number}")
        assert (await vault.back_up(schedule)).counts == {ProjectState.DONE: 1}
    catalogue = await vault.catalogue()
    assert len(catalogue) == 1 + 2
    assert catalogue.unrecorded == []
    assert len(await vault.keys("projects/")) == 3 * 4
    lines = (await read(vault, "catalogue.jsonl")).splitlines()
    assert [json.loads(line)["file"] for line in lines] == [each.file for each in catalogue]
    newest = (await vault.projects(await vault.back_up(schedule)))[0].file
    assert newest == [*catalogue][-1].file


async def test_retention_leaves_older_archives_where_the_newest_is_gone(vault: Vault) -> None:
    one = await imported(vault.api, vault.ann, project(), path="one")
    schedule = await vault.new_schedule()
    for number in range(2):
        await change(vault, one, f"{number}")
        await vault.back_up(schedule)
    first, second = [*await vault.catalogue()]
    await vault.call("PUT", f"/schedules/{schedule}", retention={"last": 1}, projects=["no/such"])
    await vault.bucket.delete([second.file])
    await vault.back_up(schedule)
    assert first.file in await vault.keys("projects/")


async def reserved(vault: Vault, run_id: int) -> ReservedName:
    """Reserve the name of the only archive of a run, as its job does it."""
    pool = vault.api.pool
    time = await pool.fetchval("SELECT coalesce(started_at, created_at) FROM jobs WHERE kind = 'backup'")
    (each,) = await vault.projects(await vault.find(run_id))
    async with pool.acquire() as db, db.transaction():
        return await backups.reserve_name(
            db, run_project_id=each.id, project_id=each.project_id or 0, path=each.path,
            source="https://gitlab.example.com", time=time, last_activity_at=time,
        )  # fmt: skip


async def test_an_exporter_that_dies_in_an_upload_is_taken_over_and_nothing_is_left(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(issues=ISSUES), path="one")
    number = await vault.start(await vault.new_schedule())
    for _ in range(2):
        await vault.keeper.make_round()
    pool = vault.api.pool
    # As a process leaves it that was killed: the name is taken, parts are there, and the lease has run out.
    await pool.execute(
        """UPDATE jobs SET state = 'running', lease = 1, attempt = 1, worker = 'dead',
               started_at = now() - interval '1 hour', lease_expires_at = now() - interval '1 minute',
               snapshot_id = (SELECT snapshot_id FROM projects WHERE id = project_id) WHERE kind = 'backup'"""
    )
    name = await reserved(vault, number)
    begun = await vault.bucket._bucket.call_object("create_multipart_upload", name.file)
    await Requeue(pool, vault.api.broker, metrics=JobMetrics()).requeue_lost()
    await pool.execute("UPDATE jobs SET not_before = now()")

    run = await vault.finish(number)
    assert (run.state, run.counts) == (RunState.FINISHED, {ProjectState.DONE: 1})
    (record,) = await vault.catalogue()
    assert record.file == name.file
    assert files(await read(vault, record.file))["tree/project/issues.ndjson"] == ISSUES
    left = await vault.bucket._bucket.call("list_multipart_uploads", Prefix=f"{vault.prefix}/")
    assert begun["UploadId"] not in str(left.get("Uploads"))


async def test_a_name_that_was_taken_in_vain_is_given_back(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    number = await vault.start(await vault.new_schedule())
    for _ in range(2):
        await vault.keeper.make_round()
    name = await reserved(vault, number)
    async with vault.bucket.create(name.file) as writer:
        await writer.write(b"half")
        await writer.commit()
    await vault.api.pool.execute(
        "UPDATE jobs SET state = 'failed', finished_at = now(), error = 'e', error_code = 'internal'"
    )
    run = await vault.finish(number)
    assert run.state is RunState.FAILED
    assert [key for key in await vault.keys() if key.startswith("projects/")] == []
    assert await vault.api.pool.fetchval("SELECT count(*) FROM backups") == 0


async def test_a_catalogue_with_broken_lines_is_written_anew(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    async with vault.bucket.create("catalogue.jsonl") as writer:
        await writer.write(
            b'{"file":"projects/kept.tar.gz","newer":1}\n{"file":"proj\n\xff\n' + b"x" * 200_000
        )
        await writer.commit()
    await vault.back_up(await vault.new_schedule())
    lines = (await read(vault, "catalogue.jsonl")).splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0]) == {"file": "projects/kept.tar.gz", "newer": 1}
