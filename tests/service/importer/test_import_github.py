from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from services.cli.gitlab_shape import ShapeInspection
from services.cli.verification import verify
from shared.archive.limits import Limits
from shared.errors import CrossdockError
from shared.github.errors import RateLimited
from shared.jobs import store as jobs
from shared.jobs.progress import Progress
from shared.jobs.requeue import Requeue
from shared.people.people_map import PeopleMap, Row
from shared.projects import people_maps
from shared.projects.people_maps import MapOwner
from shared.settings.application import ApplicationSettings
from tests.support.git import git, references
from tests.support.git_lfs import GitLfs, oid_of, pointer
from tests.support.github.docked import GitHubDock, records, working
from tests.support.github.github import TOKEN
from tests.support.github.repositories import Repository
from tests.support.jobs import claimed
from tests.support.projects import BASE_URL, files
from tests.support.waiting import until_row

FAILED = "Error importing repository  into ann/p - "


def cloned(folder: Path, bundle: bytes) -> Path:
    """What git makes of a bundle; its objects are checked."""
    (folder / "b.bundle").write_bytes(bundle)
    copy = folder / "copy.git"
    git(folder, "clone", "-q", "--mirror", "b.bundle", str(copy))
    git(copy, "fsck", "--strict")
    return copy


def commits(repository: Path) -> list[str]:
    """All commits that references lead to: tree, parents, people, times and messages."""
    told = git(repository, "log", "--all", "--format=%H %T %P %an %ae %at %cn %ce %ct %B")
    return sorted(told.splitlines())


async def test_all_that_a_repository_has_becomes_an_archive_as_gitlab_writes_it(
    hub: GitHubDock, tmp_path: Path
) -> None:
    await hub.move_to_group()
    repository = hub.everything()
    repository.collaborators = [each for each in repository.collaborators if each.role != "auditor"]
    picture = hub.github.attachment("/user-attachments/assets/0b1c", b"picture")
    repository.issue("With a picture", body=f"![x]({picture})")
    wanted = {"attachments_import": True, "collaborators_import": True, "release_assets_import": True}
    imported = await hub.run(repository, **wanted)
    assert (imported.error, await hub.dock.failures(imported)) == (None, [])
    packed = tmp_path / "out.tar.gz"
    packed.write_bytes(await hub.dock.run_export())
    told = await verify(packed, limits=Limits(), strict=True, shape=ShapeInspection(Limits()))
    assert told.for_gitlab
    assert (told.for_gitlab.faults, told.error, told.failure_count) == ([], None, 0)
    assert {name: count.lines for name, count in told.relations.items()} == {
        "issues": 3, "labels": 2, "merge_requests": 4, "milestones": 2, "project_members": 4,
        "protected_branches": 2, "releases": 2,
    }  # fmt: skip


async def test_the_repository_comes_with_the_heads_of_pull_requests_and_branches_of_open_ones(
    hub: GitHubDock, tmp_path: Path
) -> None:
    repository = hub.everything()
    out = await hub.whole(repository)
    copy = cloned(tmp_path, out["project.bundle"])
    source = references(hub.root / "octo/everything.git")
    heads = {f"refs/merge-requests/{each.number}/head": each.head.sha for each in repository.pulls}
    made = {
        f"refs/heads/github/fork/ann/{each.head.ref}": each.head.sha
        for each in repository.pulls
        if each.state == "open"
    }
    kept = {name: sha for name, sha in source.items() if not name.startswith("refs/pull/")}
    assert references(copy) == kept | heads | made
    assert len(made) == 2
    assert commits(copy) == commits(hub.root / "octo/everything.git")
    assert "project.wiki.bundle" in out


async def test_what_was_counted_stays_with_the_job(hub: GitHubDock) -> None:
    imported = await hub.run(hub.everything())
    stats = imported.progress.stats
    assert stats is not None
    assert stats["fetched"] == stats["imported"] == {
        "diff_note": 4, "issue": 2, "issue_event": 27, "label": 2, "milestone": 2, "note": 2,
        "protected_branch": 2, "pull_request": 4, "pull_request_merged_by": 1, "pull_request_review": 2,
        "release": 2,
    }  # fmt: skip
    row = await hub.dock.pool.fetchrow(
        "SELECT progress, state, payload::text AS payload FROM jobs WHERE id = $1", imported.job.id
    )
    assert row is not None
    assert (row["progress"]["stats"], row["state"]) == (stats, "finished")
    assert TOKEN not in row["payload"]
    assert '"octo/everything"' in row["payload"]
    assert await hub.dock.pool.fetchval("SELECT count(*) FROM github_pages") == 0


async def test_an_issue_that_a_list_has_twice_comes_once(hub: GitHubDock) -> None:
    """A list that is read page by page may change meanwhile."""
    repository = hub.repository()
    first = repository.issue("One").comment("once")
    repository.pull("Two")
    repository.issues = [*repository.issues, first]
    out = await hub.whole(repository)
    assert [each["title"] for each in records(out, "issues")] == ["One"]
    assert len(records(out, "merge_requests")) == 1


async def test_labels_and_milestones_that_are_too_many_are_there_and_referred_to_by_nothing(
    hub: GitHubDock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.github.lists.MOST", 1)
    repository = hub.repository()
    repository.issue("One", labels=["a", "b"], milestone=repository.milestone("1"))
    repository.milestone("2")
    imported = await hub.run(repository)
    failures = await hub.dock.failures(imported)
    assert [each.relation for each in failures] == ["label", "milestone"]
    out = files(await hub.dock.run_export())
    assert (len(records(out, "labels")), len(records(out, "milestones"))) == (2, 2)
    (issue,) = records(out, "issues")
    assert [link["label"]["title"] for link in issue["label_links"]] == ["a"]


async def test_lfs_objects_are_counted(hub: GitHubDock) -> None:
    repository = hub.repository(**{"a.bin": pointer(b"large"), "b.bin": pointer(b"gone")})
    lfs = GitLfs(hub.git, {oid_of(b"large"): b"large"})
    hub.answer = lfs.handle
    imported = await hub.run(repository)
    assert imported.progress.stats is not None
    counts = {name: count["lfs_object"] for name, count in imported.progress.stats.items()}
    assert counts == {"fetched": 2, "imported": 1}
    assert [each.relation for each in await hub.dock.failures(imported)] == ["lfs_objects"]


async def test_a_job_that_waits_for_the_limit_goes_on_by_itself(hub: GitHubDock) -> None:
    pool, limit = hub.dock.pool, hub.github.limit
    assert limit
    limit.remaining = 60
    job = await hub.ordered(hub.everything())
    async with working(hub):
        await until_row(pool, "SELECT error_code = 'github_limit' FROM jobs WHERE id = $1", job.id)
        waiting = await pool.fetchrow("SELECT state, attempt, worker, not_before - now() AS wait FROM jobs")
        assert waiting is not None
        assert (waiting["state"], waiting["attempt"]) == ("queued", 0)
        assert timedelta(minutes=58) < waiting["wait"] < timedelta(minutes=61)
        limit.remaining = 5000
        await pool.execute("UPDATE jobs SET not_before = now()")
        await Requeue(pool, hub.broker).publish()
        await until_row(pool, "SELECT state = 'finished' FROM jobs WHERE id = $1", job.id)
    progress = await pool.fetchval("SELECT progress FROM jobs")
    assert progress["stats"]["imported"]["issue"] == 2
    assert progress["requests_left"] > 4900


async def test_description_and_visibility_are_those_of_the_repository(hub: GitHubDock) -> None:
    repository = hub.repository()
    repository.description, repository.is_private = "About <this>", True
    repository.branch("main")
    out = await hub.whole(repository)
    document = json.loads(out["tree/project.json"])
    assert (document["description"], document["visibility_level"]) == ("About <this>", 0)
    assert document["default_branch"] == "main"
    row = await hub.dock.pool.fetchrow("SELECT description, visibility FROM projects")
    assert row is not None
    assert tuple(row) == ("About <this>", 0)


async def test_links_to_issues_lead_to_the_project(hub: GitHubDock) -> None:
    repository = hub.repository()
    repository.issue("One", body=f"See {hub.github.site.web}/octo/one/pull/7")
    (issue,) = records(await hub.whole(repository), "issues")
    assert issue["description"] == f"See {BASE_URL}/ann/p/-/merge_requests/7"


async def test_an_object_that_cannot_be_imported_is_a_failed_relation_and_the_rest_goes_on(
    hub: GitHubDock,
) -> None:
    repository = hub.repository()
    repository.issue("Gone").comment("lost")
    repository.issue("There").comment("kept")
    repository.label("a,b")
    hub.github.fail("issues/1/timeline", 410, message="This issue was deleted")
    imported = await hub.run(repository)
    failures = await hub.dock.failures(imported)
    assert imported.error is None
    assert Counter(each.relation for each in failures) == {"label": 1, "issue_event": 1}
    out = files(await hub.dock.run_export())
    assert [each["title"] for each in records(out, "issues")] == ["Gone", "There"]
    assert imported.progress.stats == {
        "fetched": {"issue": 2, "note": 1}, "imported": {"issue": 2, "note": 1}
    }  # fmt: skip


async def test_the_comments_of_a_timeline_that_cannot_be_had_are_not_lost(hub: GitHubDock) -> None:
    repository = hub.repository()
    repository.issue("Broken").comment("one").comment("two")
    hub.github.fail("issues/1/timeline", times=100)
    imported = await hub.run(repository)
    assert [each.relation for each in await hub.dock.failures(imported)] == ["issue_event"]
    (issue,) = records(files(await hub.dock.run_export()), "issues")
    assert [note["note"].rpartition("\n")[2] for note in issue["notes"]] == ["one", "two"]


async def test_an_import_that_has_to_wait_goes_on_and_has_nothing_twice(hub: GitHubDock) -> None:
    repository = hub.everything()
    job = await hub.ordered(repository)
    assert hub.github.limit
    for left in (3, 5, 4):
        hub.github.limit.remaining = 50 + left
        lease = await claimed(hub.dock.pool, job)
        with pytest.raises(RateLimited):
            await hub.dock.importer.run(job, lease, Progress())
        await jobs.postpone(hub.dock.pool, lease, error="limit", code="github_limit", delay=None)
    hub.github.limit.remaining = 5000
    imported = await hub.dock.attempt(job)
    assert imported.error is None
    assert max(Counter(each.path for each in hub.github.asked if "api" in each.host).values()) == 1
    assert imported.progress.stats is not None
    assert imported.progress.stats["imported"]["issue_event"] == 27
    out = files(await hub.dock.run_export())
    assert [each["iid"] for each in records(out, "issues")] == [1, 2]


async def test_a_project_of_a_personal_namespace_gets_no_members(hub: GitHubDock) -> None:
    imported = await hub.run(hub.everything(), collaborators_import=True)
    assert await hub.dock.failures(imported) == []
    out = files(await hub.dock.run_export())
    assert records(out, "project_members") == []


async def test_members_come_into_a_project_of_a_group(hub: GitHubDock) -> None:
    await hub.move_to_group()
    hub.github.user("write", email="write@example.com")
    imported = await hub.run(hub.everything(), collaborators_import=True)
    (failure,) = await hub.dock.failures(imported)
    assert failure.relation == "collaborator"
    out = files(await hub.dock.run_export())
    levels = {each["user"]["username"]: each["access_level"] for each in records(out, "project_members")}
    assert levels == {"triage": 20, "write": 30, "maintain": 40, "admin": 50}
    users = [each["user"] for each in records(out, "project_members")]
    emails = {each["username"]: each["public_email"] for each in users}
    assert emails == dict.fromkeys(levels) | {"write": "write@example.com"}


@pytest.mark.parametrize(
    ("token", "told"),
    [("wrong", "does not accept the token"), ("ghp_\u00e9", "does not accept the token")],
)
async def test_why_it_failed_is_told_without_the_token(hub: GitHubDock, token: str, told: str) -> None:
    imported = await hub.run(hub.repository(), token=token)
    assert imported.error is not None
    assert imported.error.startswith(FAILED)
    assert told in imported.error
    assert token not in imported.error
    assert await hub.dock.pool.fetchval("SELECT count(*) FROM github_pages") == 0


async def test_the_rules_for_addresses_hold_when_it_is_fetched(hub: GitHubDock) -> None:
    hub.dock.settings = ApplicationSettings()
    imported = await hub.run(hub.repository())
    assert imported.error == f"{FAILED}Import url is blocked: Requests to loopback addresses are not allowed"


async def test_an_empty_repository_is_a_project_all_the_same(hub: GitHubDock) -> None:
    repository = hub.github.repository("octo/none")
    folder = hub.root / "octo/none.git"
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "--bare")
    out = await hub.whole(repository)
    assert "project.bundle" not in out
    assert out["tree/project/issues.ndjson"] == b""


async def test_a_repository_that_git_does_not_give_ends_the_attempt(hub: GitHubDock) -> None:
    job = await hub.ordered(hub.github.repository("octo/gone"))
    with pytest.raises(CrossdockError) as raised:
        await hub.dock.importer.run(job, await claimed(hub.dock.pool, job), Progress())
    assert raised.value.code == "git_not_found"


def uploads(out: dict[str, bytes]) -> dict[str, bytes]:
    """The uploads, by their names behind the secret."""
    return {name.split("/")[2]: data for name, data in out.items() if name.startswith("uploads/") and data}


def _with_files(hub: GitHubDock) -> Repository:
    """A repository with a file in a text of each kind, one of them in two."""
    github, repository = hub.github, hub.repository()
    picture = github.attachment("/user-attachments/assets/0b1c", b"picture")
    notes = github.attachment("/octo/one/files/1/notes.txt", b"notes", "text/plain")
    repository.issue("One", body=f"![x]({picture})").comment(f"again {picture} and [notes]({notes})")
    repository.pull("Two", body=f"![x]({picture})").review("COMMENTED").remark(f"see {notes}")
    octo = github.user("octo")
    repository.release("v1", by=octo, body=f"With {picture}").asset("a.bin", b"binary")
    return repository


async def test_files_in_texts_become_uploads_where_that_is_wanted(hub: GitHubDock) -> None:
    imported = await hub.run(_with_files(hub), attachments_import=True)
    assert (imported.error, await hub.dock.failures(imported)) == (None, [])
    out = files(await hub.dock.run_export())
    assert uploads(out) == {"0b1c.png": b"picture", "notes.txt": b"notes"}
    (issue,), (request,) = records(out, "issues"), records(out, "merge_requests")
    (release,) = records(out, "releases")
    (path,) = (f"/{name}" for name in out if name.endswith("/0b1c.png"))
    assert f"![x]({path})" in issue["description"]
    assert f"![x]({path})" in request["description"]
    assert f"again {path} and [notes](/uploads/" in issue["notes"][0]["note"]
    assert "see /uploads/" in request["notes"][0]["note"]
    assert release["description"].endswith(f"With {path}")
    assert [each["name"] for each in release["links"]] == ["a.bin"]
    stats = imported.progress.stats
    assert stats is not None
    counts = {name: count for name, count in stats["imported"].items() if "attachment" in name}
    assert counts == {
        "issue_attachment": 1, "merge_request_attachment": 1, "note_attachment": 3, "release_attachment": 1,
    }  # fmt: skip
    assert stats["fetched"] == stats["imported"]


async def test_files_stay_where_they_are_unless_they_are_wanted(hub: GitHubDock) -> None:
    out = await hub.whole(_with_files(hub))
    assert uploads(out) == {}
    (issue,) = records(out, "issues")
    assert f"{hub.github.site.web}/user-attachments/assets/0b1c" in issue["description"]


async def test_files_of_releases_become_uploads_where_that_is_wanted(hub: GitHubDock) -> None:
    out = await hub.whole(_with_files(hub), release_assets_import=True)
    assert uploads(out) == {"a.bin": b"binary"}
    (release,) = records(out, "releases")
    assert release["links"] == []
    assert "\n\n* [a.bin](/uploads/" in release["description"]


@pytest.mark.parametrize("status", [403, 404, 410, 429, 502])
async def test_a_file_that_cannot_be_had_is_a_failure_and_its_address_stays(
    hub: GitHubDock, status: int
) -> None:
    repository = hub.repository()
    picture = hub.github.attachment("/user-attachments/assets/0b1c", b"picture")
    repository.issue("One", body=f"![x]({picture})")
    hub.github.fail("user-attachments", status, times=100)
    imported = await hub.run(repository, attachments_import=True)
    (failure,) = await hub.dock.failures(imported)
    assert (imported.error, failure.relation) == (None, "issue_attachment")
    named = await hub.dock.pool.fetchval("SELECT external_identifiers FROM failed_relations")
    assert named == {"attachment_url": picture}
    out = files(await hub.dock.run_export())
    (issue,) = records(out, "issues")
    assert issue["description"].endswith(f"![x]({picture})")
    assert uploads(out) == {}


@pytest.mark.parametrize("packed_up_to", [0, 1_000_000])
async def test_a_file_that_breaks_off_is_a_failure_and_no_upload(hub: GitHubDock, packed_up_to: int) -> None:
    hub.dock.packed_up_to = packed_up_to
    repository = hub.repository()
    picture = hub.github.attachment("/user-attachments/assets/0b1c", b"picture" * 1000)
    repository.issue("One", body=f"![x]({picture})")
    hub.github.cut("/stored/attachments", after=100, times=100)
    imported = await hub.run(repository, attachments_import=True)
    assert [each.relation for each in await hub.dock.failures(imported)] == ["issue_attachment"]
    assert uploads(files(await hub.dock.run_export())) == {}


async def test_the_token_goes_to_github_and_to_nobody_who_is_named_in_a_text(hub: GitHubDock) -> None:
    repository = hub.repository()
    picture = hub.github.attachment("/user-attachments/assets/0b1c", b"picture")
    repository.issue("One", body=f"{picture} https://user-images.githubusercontent.com/1/2-3.png")
    await hub.run(repository, attachments_import=True)
    hosts = {each.host.partition(":")[0] for each in hub.github.asked if "Authorization" in each.headers}
    assert hosts == {"api.github.test", "github.test"}


async def test_people_of_the_map_of_the_project_are_the_authors(hub: GitHubDock) -> None:
    octo = hub.github.user("octo")
    repository = hub.repository()
    repository.issue("Mapped", by=octo, body="Hello").comment("Not mapped", by=hub.github.user("eve"))
    row = Row(import_type="github", source_user_identifier=str(octo.id), gitlab_username="octavia")
    await people_maps.set_map(hub.dock.pool, MapOwner(project_id=1), PeopleMap((row,)), author="ann")
    (issue,) = records(await hub.whole(repository), "issues")
    assert issue["description"] == "Hello"
    assert issue["notes"][0]["note"] == "*Created by: eve*\n\nNot mapped"


async def test_an_import_that_overwrites_another_of_the_repository_asks_only_for_what_has_changed(
    hub: GitHubDock,
) -> None:
    repository = hub.everything()
    first = await hub.dock.attempt(await hub.ordered(repository, keeps_pages=True))
    assert first.error is None
    before = records(files(await hub.dock.run_export()), "issues")
    repository.issues[0].comment("later")
    limit = hub.github.limit
    assert limit
    left = limit.remaining
    project = await hub.dock.add_project("new")
    order = await hub.ordered(repository, project_id=project, replaces="ann/p", keeps_pages=True)
    again = await hub.dock.attempt(order)
    assert (again.error, await hub.dock.failures(again)) == (None, [])
    # The page of issues, the timelines of the issue and of one that mentions it; the rest has no tags: the
    # repository, and two protections.
    assert left - limit.remaining == 6
    out = files(await hub.dock.run_export(project_id=project))
    issues = records(out, "issues")
    assert issues[0]["notes"][-1]["note"].endswith("later")
    assert issues[1]["notes"] == before[1]["notes"]
    assert len(records(out, "merge_requests")) == 4
    kept = await hub.dock.pool.fetchval("SELECT array_agg(DISTINCT job_id) FROM github_pages")
    assert kept == [again.job.id]


@pytest.mark.parametrize(
    "held",
    [
        "/labels",
        "/issues/2/timeline",
        "/branches/main/protection",
        "/info/refs",
        "/git-upload-pack",
        "/stored/attachments",
    ],
)
async def test_a_canceled_import_ends_by_its_next_heartbeat_and_leaves_nothing(
    hub: GitHubDock, held: str
) -> None:
    """That is a second on a machine that has time for it; the silent server is waited for 60."""
    pool, hold = hub.dock.pool, hub.hold(held)
    repository = hub.everything()
    picture = hub.github.attachment("/user-attachments/assets/0b1c", b"picture")
    repository.issue("One", body=f"![x]({picture})")
    job = await hub.ordered(repository, attachments_import=True)
    async with working(hub):  # it looks for a job at its start, and is woken by nobody later
        async with asyncio.timeout(30):
            await hold.reached.wait()
        assert await jobs.cancel(pool, job.id)
        async with asyncio.timeout(20):
            await hold.left.wait()
    assert await pool.fetchval("SELECT count(*) FROM github_pages") == 0
    await hub.dock.collect()
    assert hub.dock.stored() == []
    assert await hub.dock.snapshots() == []
    row = await pool.fetchrow("SELECT state, (SELECT snapshot_id FROM projects) AS snapshot FROM jobs")
    assert row is not None
    assert tuple(row) == ("canceled", None)
