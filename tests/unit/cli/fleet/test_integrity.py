"""What is kept is held against records, manifests and signatures: each harm is told in its own words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.cli.client import connect
from services.cli.fleet.backup import Backup, BackupOptions
from services.cli.fleet.manifests import content_digest
from services.cli.fleet.restore import Restore, RestoreOptions
from services.cli.fleet.runner import RunReport
from services.cli.fleet.selection import Selection
from services.cli.known_keys import SigningKeyChanged, Trust, known_keys_path
from shared.archive.limits import Limits
from shared.catalogue.archives import manifest_key, read_catalogue, record_key
from shared.manifest.reader import ManifestReader
from shared.signing.signer import Signer, parse_signer
from shared.storage.filesystem import FilesystemStore
from tests.support.command import run_beside
from tests.support.described_contents import content_of, digest_of, manifest_of
from tests.support.gitlab_fleet import FleetGitLab
from tests.support.gitlab_stub import Script, answer, crossdock, imported, job
from tests.support.projects import ndjson, project
from tests.support.sealing import KEY, OTHER_KEY

ONE = project(("uploads/a", b"one"), issues=ndjson(b'{"title":"t"}'))
OTHER = project(("uploads/a", b"two"), issues=ndjson(b'{"title":"t"}'))


def signer(*keys: str) -> Signer:
    made = parse_signer(" ".join(keys))
    assert made is not None
    return made


@dataclass
class Kept:
    """A place with one archive of a Crossdock, and who looks at it."""

    place: Path
    gitlab: FleetGitLab
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def store(self) -> FilesystemStore:
        return FilesystemStore(self.place)

    def file(self, suffix: str = ".tar.gz") -> Path:
        [found] = [each for each in self.place.rglob(f"*{suffix}") if each.name.startswith("2")]
        return found

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.place / record_key(self.key)).read_bytes())
        return found

    @property
    def key(self) -> str:
        return str(self.file().relative_to(self.place))

    def change_record(self, **changed: object) -> None:
        (self.place / record_key(self.key)).write_text(json.dumps(self.record | changed))
        (self.place / "catalogue.jsonl").unlink(missing_ok=True)

    async def check(self, *options: str) -> tuple[int, str]:
        """Check all that is kept; give the exit code and what is said."""
        self.capsys.readouterr()
        code = await run_beside(self.monkeypatch, "check", str(self.place), "--read-data", *options)
        return code, self.capsys.readouterr().err

    async def back_up(self) -> RunReport:
        async with self.gitlab.serve() as url, connect(url, "t") as client:
            options = BackupOptions(parallel=1, within=timedelta(minutes=1), force=True)
            backup = Backup(client, self.store, options, group=None)
            return (await backup.run(Selection(), json=False)).report


@pytest.fixture
async def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Kept:
    gitlab = FleetGitLab("a/b", revision="crossdock")
    gitlab.projects["a/b"].archive = ONE
    gitlab.signer = signer(KEY)
    made = Kept(tmp_path / "kept", gitlab, monkeypatch, capsys)
    await made.back_up()
    return made


async def test_what_is_as_it_was_backed_up_is_right(kept: Kept) -> None:
    assert (await kept.check())[0] == 0
    kept.place.joinpath("key.pem").write_bytes(signer(KEY).public_keys)
    assert (await kept.check("--public-key", str(kept.place / "key.pem")))[0] == 0


async def test_a_bit_that_has_changed_is_damage(kept: Kept) -> None:
    data = bytearray(kept.file().read_bytes())
    data[len(data) // 2] ^= 1
    kept.file().write_bytes(data)
    code, said = await kept.check()
    assert code == 1
    assert "archive_damaged" in said
    assert "it is damaged" in said


async def test_another_archive_in_its_place_is_told_as_such(kept: Kept) -> None:
    padded = OTHER + bytes(len(ONE) - len(OTHER)) if len(ONE) > len(OTHER) else OTHER
    kept.file().write_bytes(padded)
    kept.change_record(bytes=len(padded))
    code, said = await kept.check()
    assert code == 1
    assert "archive_replaced" in said
    assert "a whole archive, but not the one that was backed up" in said


async def test_an_archive_that_was_replaced_with_its_record_is_not_that_of_its_manifest(kept: Kept) -> None:
    kept.file().write_bytes(OTHER)
    kept.change_record(bytes=len(OTHER), sha256=_sha256(OTHER))
    code, said = await kept.check()
    assert code == 1
    assert "not the archive of its manifest: 1 other bytes (uploads/a)" in said


async def test_a_manifest_that_was_changed_is_damaged(kept: Kept) -> None:
    manifest = kept.file(".manifest.json")
    manifest.write_bytes(manifest.read_bytes().replace(b"uploads/a", b"uploads/b"))
    code, said = await kept.check()
    assert code == 1
    assert "its manifest is damaged: the SHA-256 is" in said
    manifest.unlink()
    assert "its manifest is gone" in (await kept.check())[1]


async def test_a_manifest_that_was_replaced_with_all_that_names_it_is_forged(kept: Kept) -> None:
    forged = manifest_of(OTHER)
    kept.file().write_bytes(OTHER)
    (kept.place / manifest_key(kept.key)).write_text(forged)
    kept.change_record(bytes=len(OTHER), sha256=_sha256(OTHER), manifest=digest_of(forged))
    code, said = await kept.check()
    assert code == 1
    assert "signature_wrong" in said
    assert "its manifest is forged" in said


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ({"signature": None}, "its manifest has no signature"),
        ({"signature": None, "manifest": None}, "it has no manifest"),
    ],
)
async def test_what_a_server_that_signs_has_not_signed_is_refused(
    kept: Kept, gone: dict[str, None], told: str
) -> None:
    kept.change_record(**gone)
    code, said = await kept.check()
    assert code == 1
    assert told in said
    kept.change_record(time="2020-01-01T00:00:00Z")  # before the server was known to sign
    assert (await kept.check())[0] == 0


async def test_a_catalogue_that_is_cut_in_a_line_is_told_with_what_helps(kept: Kept) -> None:
    file = kept.place / "catalogue.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + whole[: len(whole) // 2])
    code, said = await kept.check()
    assert code == 1
    assert "line 2 of catalogue.jsonl is cut" in said
    assert "delete catalogue.jsonl" in said
    file.unlink()
    assert (await kept.check())[0] == 0


async def test_without_a_key_signatures_are_not_verified_which_is_said(kept: Kept) -> None:
    known_keys_path().unlink()
    code, said = await kept.check()
    assert code == 0
    assert f"No public key of {kept.record['source']} is known" in said


async def test_keys_of_another_are_refused(kept: Kept) -> None:
    other = kept.place / "key.pem"
    other.write_bytes(signer(OTHER_KEY).public_keys)
    code, said = await kept.check("--public-key", str(other))
    assert code == 1
    assert "forged" in said


async def test_a_server_whose_key_has_changed_is_told_before_anything_is_backed_up(kept: Kept) -> None:
    before = kept.gitlab.exports.total()
    kept.gitlab.signer = signer(OTHER_KEY)
    with pytest.raises(SigningKeyChanged, match=r"signs by other keys than before; .*known_keys\.json"):
        await kept.back_up()
    kept.gitlab.signer = None
    with pytest.raises(SigningKeyChanged, match="no longer signs"):
        await kept.back_up()
    assert kept.gitlab.exports.total() == before


async def test_a_key_that_comes_beside_a_known_one_is_known_from_then_on(kept: Kept) -> None:
    kept.gitlab.signer = signer(OTHER_KEY, KEY)
    assert (await kept.back_up()).failed == 0
    assert (await kept.check())[0] == 0
    kept.gitlab.signer = signer(OTHER_KEY)
    assert (await kept.back_up()).failed == 0


async def test_keys_that_cannot_be_kept_do_not_stop_a_backup(kept: Kept) -> None:
    known_keys_path().unlink()
    (kept.place / "file").touch()
    kept.monkeypatch.setenv("CROSSDOCK_CONFIG", str(kept.place / "file" / "config.toml"))
    assert (await kept.back_up()).failed == 0
    assert "are not kept: cannot write" in kept.capsys.readouterr().err


async def test_a_manifest_that_another_has_signed_is_not_taken(kept: Kept) -> None:
    kept.gitlab.forger = signer(OTHER_KEY)
    report = await kept.back_up()
    assert [each.error_code for each in report.failures] == ["signature_wrong"]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def restored(kept: Kept, script: Script) -> RunReport:
    options = RestoreOptions(into="into", parallel=1, within=timedelta(minutes=1))
    async with script.client() as client:
        restore = Restore(client, kept.store, options, trust=Trust(), limits=Limits())
        return (await restore.run([*await read_catalogue(kept.store)], json=False)).report


NEW = (answer({"message": "404 Not Found"}, 404), answer({"id": 1}), crossdock())
"""What a Crossdock says before an archive is sent: no project, a group, its version."""


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (lambda kept: kept.change_record(sha256=_sha256(b"")), "archive_replaced"),
        (lambda kept: kept.file().write_bytes(kept.file().read_bytes()[:-9]), "archive_damaged"),
        (lambda kept: kept.file(".manifest.json").unlink(), "manifest_damaged"),
    ],
)
async def test_an_archive_that_is_not_as_it_was_backed_up_is_never_imported(
    kept: Kept, harm: Callable[[Kept], None], code: str
) -> None:
    harm(kept)
    script = Script(*NEW, answer({"id": 7}, 201))
    report = await restored(kept, script)
    assert [each.error_code for each in report.failures] == [code]
    assert [each.target for each in script.asked if each.method == "POST"] == []


@pytest.mark.parametrize(("content", "failed"), [(content_of(ONE), 0), (content_of(OTHER), 1)])
async def test_what_a_crossdock_has_made_of_an_archive_is_held_against_the_manifest(
    kept: Kept, content: str, failed: int
) -> None:
    done = job("finished") | {"content_sha256": digest_of(content)}
    script = Script(*NEW, imported("scheduled", job=5), imported("finished", job=5), answer(done))
    report = await restored(kept, script)
    assert report.failed == failed
    assert [each.error_code for each in report.failures] == ["restored_otherwise"] * failed


def test_the_digest_of_the_content_leaves_out_what_each_export_makes() -> None:
    reader = ManifestReader(most=10)
    reader.feed(manifest_of(ONE).encode())
    reader.close()
    assert content_digest(reader) == digest_of(content_of(ONE))
