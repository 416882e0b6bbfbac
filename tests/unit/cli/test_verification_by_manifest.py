from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from services.cli.results import MOST_LISTED
from shared.archive.limits import MIB
from shared.signing.signer import parse_signer
from tests.support.command import run, run_beside
from tests.support.described_contents import manifest_of
from tests.support.gitlab_stub import Answer, Script, answer
from tests.support.projects import MINIMAL, archive
from tests.support.sealing import KEY, OTHER_KEY

ISSUES = "tree/project/issues.ndjson"
FILES = [
    *MINIMAL,
    ("uploads/a", b"1"),
    ("uploads/b", b"2"),
    (ISSUES, b'{"title":"t"}\n'),
]
Files = Sequence[tuple[str, bytes]]


@dataclass(slots=True)
class Folder:
    """An archive, its manifest and the signature of that, and the public key, as files."""

    path: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def write(self, name: str, data: bytes) -> str:
        """Write a file and give its path."""
        (self.path / name).write_bytes(data)
        return str(self.path / name)

    def archive(self, files: Files) -> str:
        """Write the archive."""
        return self.write("a.tar.gz", archive(files))

    @property
    def manifest(self) -> str:
        """Where the manifest is."""
        return str(self.path / "manifest")

    @property
    def key(self) -> str:
        """Where the public key is."""
        return str(self.path / "key.pem")

    def verify(self, files: Files, *options: str) -> tuple[int, Any]:
        """Verify an archive by the manifest; give the exit code and the one document."""
        packed = self.archive(files)
        code = run(self.monkeypatch, "verify", packed, "--manifest", self.manifest, *options, "--json")
        out = self.capsys.readouterr().out
        assert out.count("\n") == 1
        return code, json.loads(out)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Folder:
    """A folder with the manifest of ``FILES``."""
    made = Folder(tmp_path, monkeypatch, capsys)
    manifest = manifest_of(archive(FILES)).encode()
    made.write("manifest", manifest)
    signer = parse_signer(KEY)
    assert signer is not None
    made.write("manifest.sig", signer.sign(hashlib.sha256(manifest).hexdigest().encode() + b"\n"))
    made.write("key.pem", signer.public_keys)
    return made


def _replaced(name: str, data: bytes) -> Files:
    return [(each, data if each == name else before) for each, before in FILES]


def test_an_archive_with_the_files_of_the_manifest_in_another_order_is_right(folder: Folder) -> None:
    code, told = folder.verify([*FILES[::-1], ("tree/empty/", b"")])
    digest = hashlib.sha256((folder.path / "manifest").read_bytes()).hexdigest()
    nothing = {"count": 0, "names": []}
    assert (code, told["error"]) == (0, None)
    assert told["manifest"] == {
        "sha256": digest, "signed": False, "missing": nothing, "extra": nothing, "differing": nothing,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("files", "what", "name"),
    [
        (FILES[:2] + FILES[3:], "missing", "uploads/a"),
        (FILES[:4], "missing", ISSUES),
        ([*FILES, ("uploads/c", b"3")], "extra", "uploads/c"),
        ([*FILES, ("tree/project/labels.ndjson", b"")], "extra", "tree/project/labels.ndjson"),
        (_replaced("uploads/b", b"1"), "differing", "uploads/b"),
        (_replaced("uploads/b", b"22"), "differing", "uploads/b"),
        (_replaced(ISSUES, b'\n{"title":"t"}\n'), "differing", ISSUES),
        (_replaced(ISSUES, b'{"title":"t"}\n[]\n'), "differing", ISSUES),
        (_replaced("tree/project.json", b"{} "), "differing", "tree/project.json"),
    ],
)  # fmt: skip
def test_it_is_told_which_file_is_not_as_the_manifest_says(
    files: Files, what: str, name: str, folder: Folder
) -> None:
    code, told = folder.verify(files)
    assert (code, told["error_code"]) == (1, "manifest_mismatch")
    found = {kind: told["manifest"][kind]["names"] for kind in ("missing", "extra", "differing")}
    assert found == {"missing": [], "extra": [], "differing": [], what: [name]}


def test_a_file_without_which_there_is_no_project_is_told_as_missing_too(folder: Folder) -> None:
    code, told = folder.verify([FILES[0], *FILES[2:]])
    assert (code, told["error_code"]) == (1, "not_a_project")
    assert told["manifest"]["missing"] == {"count": 1, "names": ["tree/project.json"]}


def test_an_archive_that_is_cut_is_not_compared(folder: Folder) -> None:
    packed = folder.write("cut", archive(FILES)[:-20])
    code = run(folder.monkeypatch, "verify", packed, "--manifest", folder.manifest, "--json")
    told = json.loads(folder.capsys.readouterr().out)
    assert (code, told["manifest"]) == (1, None)


def test_no_more_than_a_thousand_names_are_told(folder: Folder) -> None:
    more = [(f"uploads/more{number}", b"") for number in range(MOST_LISTED + 1)]
    _, told = folder.verify([*FILES, *more])
    assert told["manifest"]["extra"]["count"] == MOST_LISTED + 1
    assert told["manifest"]["extra"]["names"] == [name for name, _ in more[:MOST_LISTED]]


def test_people_are_told_the_names(folder: Folder) -> None:
    packed = folder.archive([*FILES[:3], ("uploads/c", b"")])
    assert run(folder.monkeypatch, "verify", packed, "--manifest", folder.manifest) == 1
    told = folder.capsys.readouterr().err.splitlines()
    assert "uploads/c  extra" in told
    assert told[-2:] == ["2 missing, 1 extra", f"crossdock: {packed} is not what the manifest says"]


def test_what_is_no_manifest_is_refused(folder: Folder) -> None:
    folder.write("manifest", (folder.path / "manifest").read_bytes() + b"\n")
    code, told = folder.verify(FILES)
    assert (code, told["error_code"]) == (1, "manifest_invalid")


def test_a_manifest_that_was_changed_has_no_signature(folder: Folder) -> None:
    manifest = (folder.path / "manifest").read_bytes()
    folder.write("manifest", manifest.replace(b'"size":1}', b'"size":2}', 1))
    code, told = folder.verify(FILES, "--public-key", folder.key)
    assert (code, told["error_code"]) == (1, "signature_wrong")


def test_a_manifest_with_more_files_than_an_archive_may_have_is_refused(folder: Folder) -> None:
    folder.monkeypatch.setenv("CROSSDOCK_MAX_ARCHIVE_ENTRIES", "4")
    code, told = folder.verify(FILES)
    assert (code, told["error_code"]) == (1, "manifest_invalid")


def test_a_signature_is_verified_where_there_is_a_key(folder: Folder) -> None:
    code, told = folder.verify(FILES, "--public-key", folder.key)
    assert (code, told["manifest"]["signed"]) == (0, True)
    named = folder.write("other.sig", (folder.path / "manifest.sig").read_bytes())
    (folder.path / "manifest.sig").unlink()
    assert folder.verify(FILES, "--public-key", folder.key, "--signature", named)[0] == 0
    code, told = folder.verify(FILES, "--public-key", folder.key)
    assert (code, told["error_code"]) == (2, "usage")


@pytest.mark.parametrize("signature", [b"", bytes(64), bytes(65)])
def test_a_wrong_signature_is_refused(signature: bytes, folder: Folder) -> None:
    folder.write("manifest.sig", signature)
    code, told = folder.verify(FILES, "--public-key", folder.key)
    assert (code, told["error_code"]) == (1, "signature_wrong")


def test_the_signature_of_another_key_or_another_manifest_is_refused(folder: Folder) -> None:
    other = parse_signer(OTHER_KEY)
    assert other is not None
    key = folder.write("other.pem", other.public_keys)
    assert folder.verify(FILES, "--public-key", key)[1]["error_code"] == "signature_wrong"
    folder.write("manifest", manifest_of(archive(FILES[:3])).encode())
    assert folder.verify(FILES[:3], "--public-key", folder.key)[1]["error_code"] == "signature_wrong"


@pytest.mark.parametrize("option", ["--public-key", "--signature"])
def test_what_is_of_a_manifest_is_wrong_usage_without_one(option: str, folder: Folder) -> None:
    assert run(folder.monkeypatch, "verify", folder.archive(FILES), option, folder.key) == 2


@pytest.mark.parametrize("name", ["none", "."])
def test_a_manifest_that_is_no_file_is_wrong_usage(name: str, folder: Folder) -> None:
    wrong = str(folder.path / name)
    assert run(folder.monkeypatch, "verify", folder.archive(FILES), "--manifest", wrong) == 2


def _bytes(path: str) -> Answer:
    async def respond(_: web.Request) -> web.Response:
        return web.Response(body=Path(path).read_bytes())  # noqa: ASYNC240  # a small file

    return respond


async def test_a_manifest_and_its_signature_come_from_a_server_and_only_ours_gets_the_token(
    folder: Folder,
) -> None:
    ours = Script(answer(status=502), _bytes(folder.manifest), _bytes(f"{folder.manifest}.sig"))
    theirs = Script(_bytes(folder.key))
    packed = folder.archive(FILES)
    async with ours.server() as url, theirs.server() as elsewhere:
        code = await run_beside(
            folder.monkeypatch, "verify", packed, "--manifest", f"{url}/export/manifest",
            "--public-key", f"{elsewhere}/keys", "--url", url, "--token", "secret",
        )  # fmt: skip
    assert code == 0
    assert [each.target for each in ours.asked] == ["/export/manifest"] * 2 + ["/export/manifest/signature"]
    assert {each.headers["Authorization"] for each in ours.asked} == {"Bearer secret"}
    assert "Authorization" not in theirs.asked[0].headers


async def test_no_more_than_a_signature_has_is_read_of_one_without_end(folder: Folder) -> None:
    sent, ends = 0, 40

    async def stream(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < ends:
            await response.write(bytes(MIB))
            sent += 1
        return response

    async with Script(stream).server() as url:
        code = await run_beside(
            folder.monkeypatch, "verify", folder.archive(FILES), "--manifest", folder.manifest,
            "--public-key", folder.key, "--signature", f"{url}/signature",
        )  # fmt: skip
    assert (code, sent < ends) == (1, True)


async def test_a_server_that_refuses_the_manifest_is_told(folder: Folder) -> None:
    script = Script(answer({"message": "404 Not found"}, status=404))
    async with script.server() as url:
        code = await run_beside(
            folder.monkeypatch, "verify", folder.archive(FILES), "--manifest", f"{url}/manifest", "--url", url
        )
    assert code == 3
