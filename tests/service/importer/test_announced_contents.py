from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from shared.gitlab.relation_selection import RelationSelection
from shared.jobs.progress import PartProgress
from shared.restore import inventory
from tests.support.projects import Dock, Imported, bundle, ndjson, project
from tests.unit.cli.test_verification import verified

SECRET = "0123456789abcdef0123456789abcdef"
TIMES = {"created_at": "2019-11-05T15:06:06.123Z", "updated_at": "2019-11-05T16:06:06+01:00"}
SNIPPET = {"title": "s", "description": "ä", **TIMES}
MOMENT = "2019-11-05 15:06:06 UTC"
BUNDLE = f"snippets/{hashlib.sha256(f'sä{MOMENT}{MOMENT}'.encode()).hexdigest()}.bundle"


def lines(*records: object) -> bytes:
    return ndjson(*(json.dumps(each, separators=(",", ":")).encode() for each in records))


def link(name: str, secret: str = SECRET) -> str:
    return f"see ![a](/uploads/{secret}/{name}){{width=1}} and more"


def issue(*names: str, **more: object) -> dict[str, object]:
    return {"title": "t", "description": " ".join(map(link, names)), **more}


async def told(dock: Dock, done: Imported) -> list[tuple[str, str]]:
    assert done.error is None
    return [(each.relation, each.exception_message) for each in await dock.failures(done)]


async def contents(dock: Dock, packed: bytes) -> dict[str, Any]:
    done = await dock.run_import(packed)
    report = await dock.pool.fetchval("SELECT progress FROM jobs WHERE id = $1", done.job.id)
    found: dict[str, Any] = report["contents"]
    return found


@pytest.mark.parametrize("records_first", [True, False])
async def test_uploads_that_texts_refer_to_and_that_are_not_there_are_told(
    dock: Dock, *, records_first: bool
) -> None:
    notes = [{"note": link("b c.png")}]  # no link in GitLab's Markdown, as it has a blank
    records = lines(issue("a.png"), issue("a.png", "gone.png"), issue("ä.png", notes=notes))
    parts = [
        ("tree/project/issues.ndjson", records),
        (f"uploads/{SECRET}/a.png", b"a"),
        (f"uploads/{SECRET}/ä.png", b"b"),
        (f"uploads/{SECRET}/unused.png", b"c"),
    ]
    done = await dock.run_import(project(*(parts if records_first else parts[::-1])))
    assert await told(dock, done) == [
        ("uploads",
         f"line 2 of issues refers to uploads/{SECRET}/gone.png, which is not in the archive"),
    ]  # fmt: skip
    assert done.progress.contents == {"uploads": PartProgress(announced=3, came=3, missing=1, unannounced=1)}


async def test_a_reference_is_found_wherever_its_bytes_are_cut(dock: Dock) -> None:
    records = lines(*(issue(f"{n}.png", padding="x" * (n * 37 % 9000)) for n in range(400)))
    done = await dock.run_import(project(issues=records))
    assert done.progress.contents is not None
    assert done.progress.contents["uploads"].missing == 400


async def test_names_in_links_may_be_escaped(dock: Dock) -> None:
    records = ndjson(
        rb'{"title":"t","description":"[a](/uploads/%b/\u00e4.png)"}' % SECRET.encode(),
        b'{"title":"t","description":"[a](/uploads/%b/a%%20b.png)"}' % SECRET.encode(),
    )
    files = [(f"uploads/{SECRET}/ä.png", b"1"), (f"uploads/{SECRET}/a b.png", b"2")]
    assert await told(dock, await dock.run_import(project(*files, issues=records))) == []


async def test_repositories_of_snippets_are_announced_by_their_records(dock: Dock) -> None:
    packed = project((BUNDLE, bundle()), snippets=lines(SNIPPET, SNIPPET | {"title": "gone"}, {"title": "x"}))
    done = await dock.run_import(packed)
    [(relation, message)] = await told(dock, done)
    assert relation == "snippets"
    assert message.startswith("line 2 of snippets refers to snippets/")
    assert done.progress.contents == {"snippets_repository": PartProgress(announced=2, came=1, missing=1)}


async def test_designs_of_issues_announce_their_repository(dock: Dock) -> None:
    records = lines({"title": "t", "designs": [{"filename": "a.png"}]})
    done = await dock.run_import(project(issues=records))
    assert await told(dock, done) == [
        ("design", "issues have designs, and project.design.bundle is not in the archive")
    ]
    assert (
        await told(dock, await dock.run_import(project(("project.design.bundle", bundle()), issues=records)))
        == []
    )


async def test_what_records_of_a_replaced_file_announce_is_forgotten(dock: Dock) -> None:
    name = "tree/project/issues.ndjson"
    done = await dock.run_import(project((name, lines(issue("gone.png"))), (name, lines(issue()))))
    assert await told(dock, done) == []


async def test_the_status_of_the_job_has_the_counts(dock: Dock) -> None:
    oid = hashlib.sha256(b"1").hexdigest()
    index = json.dumps({oid: [0], "0" * 64: [0]}).encode()
    found = await contents(dock, project((f"lfs-objects/{oid}", b"1"), ("lfs-objects.json", index)))
    assert found == {
        "lfs_objects": {"announced": 2, "came": 1, "missing": 1, "unannounced": 0, "partial": False}
    }


async def test_what_is_left_out_by_choice_is_not_missing(dock: Dock) -> None:
    packed = project((f"uploads/{SECRET}/a.png", b"a"), issues=lines(issue("a.png")))
    selection = RelationSelection(excluded_relations=("uploads",))
    done = await dock.run_import(packed, selection=selection)
    assert (await told(dock, done), done.progress.contents) == ([], {})


async def test_of_many_missing_files_the_first_are_told_one_by_one(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "MOST_TOLD", 2)
    monkeypatch.setattr(inventory, "MOST_UPLOADS", 4)
    done = await dock.run_import(project(issues=lines(issue(*(f"{n}.png" for n in range(6))))))
    failures = await told(dock, done)
    assert len(failures) == 3
    assert failures[-1] == ("uploads", "2 more files that records refer to are not in the archive")
    assert done.progress.contents == {"uploads": PartProgress(announced=4, missing=4, is_partial=True)}


async def test_of_many_snippets_some_are_looked_for(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "MOST_SNIPPETS", 1)
    done = await dock.run_import(project(snippets=lines(SNIPPET, SNIPPET | {"title": "u"})))
    assert done.progress.contents == {
        "snippets_repository": PartProgress(announced=1, missing=1, is_partial=True)
    }


async def test_verify_shows_the_counts_and_strictly_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = await verified(tmp_path / "a.tar.gz", project(issues=lines(issue("gone.png"))))
    assert result.contents is not None
    assert (result.contents["uploads"].missing, result.failure_count) == (1, 1)
    result.show()
    shown = capsys.readouterr()
    assert "named by none" in shown.out
    assert shown.err.endswith("An import would take 1 line of 1 relation and 2 files, and leave out 1 item\n")


async def test_relations_without_markdown_are_not_looked_into(dock: Dock) -> None:
    done = await dock.run_import(project(ci_pipelines=lines({"iid": 1, "ref": link("gone.png")})))
    assert done.progress.contents == {}
