"""Systems that own projects hand them in without an archive, and get archives of them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.support.contents import Contents, assert_accepted_by_gnu, contents
from tests.support.gitlab import GitLab
from tests.support.large import MIB
from tests.support.preloaded import completed
from tests.support.prerequisites import program
from tests.support.samples.table import archive
from tests.support.spools import FLAT, transferring
from tests.support.system import System

ROOT = Path(__file__).parents[2]
_BLOCK = os.urandom(MIB)
_LINE = b'{"title":"%08d","description":"' + b"lorem ipsum " * 80 + b'"}\n'


class Forge:
    """A small forge: a folder of issues as JSON files, and a git repository. All it knows is curl."""

    def __init__(self, folder: Path, system: System, project: int) -> None:
        self._folder = folder
        self._token = f"PRIVATE-TOKEN: {system.token}"
        self._above = f"{system.url}/api/crossdock/v1/projects/{project}/snapshots"

    def found(self, issues: int) -> None:
        """Fill it."""
        (self._folder / "issues").mkdir(parents=True)
        for number in range(1, issues + 1):
            issue = {"iid": number, "title": f"Issue {number}", "description": "é" * number}
            self.write(number, issue)
        self._git("init", "--quiet", "--initial-branch=main", ".")
        self.change("readme", "hello")

    def write(self, number: int, issue: object) -> None:
        """Write an issue."""
        text = json.dumps(issue, ensure_ascii=False)
        (self._folder / "issues" / f"{number:05}.json").write_text(text)

    def change(self, name: str, text: str) -> None:
        """Commit a file."""
        (self._folder / name).write_text(text)
        self._git("add", name)
        self._git("-c", "user.name=f", "-c", "user.email=f@example.com", "commit", "--quiet", "-m", name)

    def _git(self, *words: str) -> None:
        subprocess.run([program("git"), "-C", str(self._folder), *words], check=True)

    def tree(self) -> dict[str, bytes]:
        """What it has to say, by the addresses of a snapshot."""
        self._git("bundle", "create", "--quiet", "out.bundle", "--all")
        lines = [file.read_bytes() + b"\n" for file in sorted((self._folder / "issues").iterdir())]
        return {
            "project": b'{"description":"of a small forge"}',
            "relations/issues": b"".join(lines),
            "repository": (self._folder / "out.bundle").read_bytes(),
            "uploads/0123456789abcdef0123456789abcdef/a%20b.png": b"\x89PNG",
        }

    def push(self, sent: dict[str, bytes], *, base: str) -> None:
        """Open a snapshot, send what is to be sent, all at once, and commit."""
        number = self._curl("POST", "", "--json", json.dumps({"from": base}))["id"]
        with ThreadPoolExecutor() as threads:
            for answer in threads.map(lambda item: self._put(number, *item), sent.items()):
                assert answer["failed_lines"] == 0
        assert self._curl("POST", f"/{number}/commit")["state"] == "committed"

    def _put(self, number: int, address: str, data: bytes) -> Any:
        file = self._folder / f"{uuid4().hex}.part"
        file.write_bytes(data)
        return self._curl("PUT", f"/{number}/{address}", "--upload-file", str(file))

    def _curl(self, method: str, path: str, *more: str) -> Any:
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--fail-with-body", "--request", method, "--header",
             self._token, *more, f"{self._above}{path}"],
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout, done.stderr)
        return json.loads(done.stdout)


async def _project(gitlab: GitLab) -> int:
    made = await gitlab.call("POST", "/projects", json={"path": f"p{uuid4().hex}"})
    assert made.status == 201, made
    number: int = made.body["id"]
    return number


async def _exported(gitlab: GitLab, project: int, target: Path) -> Contents:
    status = await gitlab.export(project)
    assert status["export_status"] == "finished", status
    await gitlab.download(project, target)
    assert_accepted_by_gnu(target)
    return contents(target)


def _expected(tree: dict[str, bytes]) -> Contents:
    blobs = {
        "VERSION": b"0.2.4",
        "tree/project.json": tree["project"],
        "project.bundle": tree["repository"],
        "uploads/0123456789abcdef0123456789abcdef/a b.png": b"\x89PNG",
    }
    return Contents(
        {"tree/project/issues.ndjson": tree["relations/issues"].splitlines(keepends=True)},
        {name: hashlib.sha256(data).hexdigest() for name, data in blobs.items()},
    )


async def test_a_small_forge_pushes_its_project_and_gets_an_archive_equal_to_what_it_sent(
    gitlab: GitLab, system: System, tmp_path: Path
) -> None:
    project = await _project(gitlab)
    forge = Forge(tmp_path / "forge", system, project)
    forge.found(300)
    tree = forge.tree()
    await asyncio.to_thread(forge.push, tree, base="empty")

    exported = await _exported(gitlab, project, tmp_path / "first.tar.gz")
    assert exported == _expected(tree)

    forge.write(7, {"iid": 7, "title": "closed", "state": "closed"})
    forge.change("readme", "hello again")
    changed = forge.tree()
    sent = {address: changed[address] for address in ("relations/issues", "repository")}
    await asyncio.to_thread(forge.push, sent, base="current")

    again = await _exported(gitlab, project, tmp_path / "second.tar.gz")
    assert again == _expected(changed)
    assert again != exported

    status = await gitlab.import_file(tmp_path / "second.tar.gz", f"p{uuid4().hex}")
    assert (status["import_status"], status["failed_relations"]) == ("finished", [])


def _crossdock(system: System, *words: str, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CROSSDOCK_")}
    given = {"CROSSDOCK_URL": system.url, "CROSSDOCK_TOKEN": system.token}
    done = completed(words, cwd=ROOT, env=environment | given)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done


def _unpacked(name: str, target: Path) -> tuple[Path, Path]:
    packed = archive(name)
    target.mkdir()
    subprocess.run(["tar", "-xzf", str(packed), "-C", str(target)], check=True)
    return packed, target


@pytest.mark.parametrize("name", ["empty_relations", "every_relation", "version_last"])
async def test_an_unpacked_archive_is_pushed_by_the_command_and_comes_out_as_it_was(
    gitlab: GitLab, system: System, tmp_path: Path, name: str
) -> None:
    packed, tree = _unpacked(name, tmp_path / "tree")
    project = await _project(gitlab)

    done = await asyncio.to_thread(_crossdock, system, "push", str(tree), str(project))

    assert done.stdout.startswith(b"snapshot ")
    assert b"one by one" not in done.stderr
    assert b": committed, " in done.stdout
    before, after = contents(packed), await _exported(gitlab, project, tmp_path / "out.tar.gz")
    assert after.relations == before.relations
    assert {n: d for n, d in after.blobs.items() if n != "VERSION"} == {
        n: d for n, d in before.blobs.items() if n != "VERSION"
    }


async def test_from_current_sends_what_differs_and_takes_out_what_is_gone(
    gitlab: GitLab, system: System, tmp_path: Path
) -> None:
    packed, tree = _unpacked("empty_relations", tmp_path / "tree")
    status = await gitlab.import_file(packed, f"p{uuid4().hex}")
    (tree / "tree" / "project" / "labels.ndjson").write_text('{"title":"new"}\n')
    gone = ("GITLAB_REVISION", "tree/project/boards.ndjson")
    for name in gone:
        (tree / name).unlink()

    done = await asyncio.to_thread(_crossdock, system, "push", "--from-current", str(tree), str(status["id"]))

    assert b"1 of " in done.stderr
    assert b" files differs, 2 are gone" in done.stderr
    before = contents(packed)
    after = await _exported(gitlab, status["id"], tmp_path / "out.tar.gz")
    assert after.names == before.names - set(gone)
    expected = {**before.relations, "tree/project/labels.ndjson": [b'{"title":"new"}\n']}
    assert after.relations == {name: lines for name, lines in expected.items() if name not in gone}


async def test_a_push_that_fails_says_why_and_leaves_nothing(
    gitlab: GitLab, system: System, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    (tree / "tree" / "project").mkdir(parents=True)
    (tree / "tree" / "project.json").write_text("{}")
    issues = tree / "tree" / "project" / "issues.ndjson"
    issues.write_text('{"title":"good"}\nbad\n')
    project = str(await _project(gitlab))

    strict = await asyncio.to_thread(_crossdock, system, "push", "--strict", str(tree), project, code=1)
    (tree / "project.bundle").write_text("no bundle")
    bad = await asyncio.to_thread(_crossdock, system, "push", str(tree), project, code=3)
    unknown = await asyncio.to_thread(_crossdock, system, "push", str(tree), "root/unknown", code=3)
    empty = await asyncio.to_thread(_crossdock, system, "push", str(tmp_path), project, code=2)

    assert b"issues  2  JSON::ParserError" in strict.stderr
    assert b"nothing was committed, as lines would be left out" in strict.stderr
    assert b"project.bundle" in bad.stderr
    assert b"(HTTP 422)" in bad.stderr
    assert b"Project Not Found (HTTP 404)" in unknown.stderr
    assert b"is no unpacked archive" in empty.stderr
    for failed in (strict, bad):
        assert b"was not thrown away" not in failed.stderr, failed.stderr
    left = f"{system.url}/api/crossdock/v1/projects/{project}/snapshots"
    headers = {"PRIVATE-TOKEN": system.token}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(left) as answer:
        assert await answer.json() == []


async def _lines(size: int) -> AsyncIterator[bytes]:
    block = [_LINE % number for number in range(size // len(_LINE))]
    for start in range(0, len(block), 1000):
        yield b"".join(block[start : start + 1000])


async def _blob(blocks: int) -> AsyncIterator[bytes]:
    for number in range(blocks):
        yield f"{number:016}".encode() + _BLOCK[16:]


@pytest.mark.timeout(900)
async def test_large_entries_are_taken_at_once_in_flat_memory_and_without_a_spool(
    gitlab: GitLab, system: System
) -> None:
    project = await _project(gitlab)
    above = f"{system.url}/api/crossdock/v1/projects/{project}/snapshots"
    timeout = aiohttp.ClientTimeout(total=None, sock_read=300)
    headers = {"PRIVATE-TOKEN": system.token}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:

        async def call(method: str, path: str, data: Any = None) -> Any:
            async with session.request(method, f"{above}{path}", data=data) as answer:
                assert answer.ok, await answer.text()
                return await answer.json()

        number = (await call("POST", ""))["id"]
        with transferring(system) as (spools, grown):
            lines, blob, _ = await asyncio.gather(
                call("PUT", f"/{number}/relations/issues", _lines(64 * MIB)),
                call("PUT", f"/{number}/uploads/{'0' * 32}/large.bin", _blob(192)),
                call("PUT", f"/{number}/project", b"{}"),
            )
        committed = await call("POST", f"/{number}/commit")
    assert (blob["size"], lines["failed_lines"]) == (192 * MIB, 0)
    assert committed["state"] == "committed"
    assert spools == set()
    assert max(grown.values()) < FLAT, grown
