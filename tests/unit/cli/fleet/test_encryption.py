"""What leaves for a place is encrypted for recipients, and is restored and checked by who has an identity."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from pyrage import x25519

from services.cli.age_keys import EncryptFor, read_identities, read_recipients
from services.cli.client import connect
from services.cli.errors import UsageError
from services.cli.fleet.backup import Backup, BackupOptions
from services.cli.fleet.restore import Restore, RestoreOptions
from services.cli.fleet.runner import RunReport
from services.cli.fleet.selection import Selection
from services.cli.known_keys import Trust
from shared.age.errors import RecipientInvalid
from shared.age.keys import Identities, parse_recipients
from shared.archive.limits import Limits
from shared.catalogue.archives import ArchiveRecord, forget, read_catalogue
from shared.catalogue.objects import create_object, read_object
from shared.errors import ObjectMissing, StorageError
from shared.signing.signer import parse_signer
from shared.storage.filesystem import FilesystemStore
from shared.storage.filesystem_writer import FilesystemWriter
from tests.support.command import run_beside
from tests.support.gitlab_fleet import FleetGitLab
from tests.support.gitlab_stub import Script, answer, crossdock, imported, job
from tests.support.prerequisites import program
from tests.support.projects import project
from tests.support.sealing import KEY

ONE = project(("uploads/secret-name", b"a secret"))
OPTIONS = BackupOptions(parallel=1, within=timedelta(minutes=1))


@dataclass
class Sealed:
    """A place with one archive of a Crossdock, encrypted for the owner of ``identity``."""

    place: Path
    identity: Path
    encrypt_for: EncryptFor
    gitlab: FleetGitLab
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def store(self) -> FilesystemStore:
        return FilesystemStore(self.place)

    async def record(self) -> ArchiveRecord:
        [found] = await read_catalogue(self.store)
        return found

    async def back_up(self, encrypt_for: EncryptFor) -> RunReport:
        options = replace(OPTIONS, encrypt_for=encrypt_for)
        async with self.gitlab.serve() as url, connect(url, "t") as client:
            backup = Backup(client, self.store, options, group=None)
            return (await backup.run(Selection(), json=False)).report

    async def check(self, *options: str) -> tuple[int, str]:
        self.capsys.readouterr()
        code = await run_beside(self.monkeypatch, "check", str(self.place), *options)
        return code, self.capsys.readouterr().err

    async def restore(self, identities: Identities, script: Script) -> RunReport:
        options = RestoreOptions(into="into", parallel=1, within=timedelta(minutes=1))
        async with script.client() as client:
            restore = Restore(
                client, self.store, options, trust=Trust(), limits=Limits(), identities=identities
            )
            return (await restore.run([await self.record()], json=False)).report


@pytest.fixture
async def sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Sealed:
    owner = x25519.Identity.generate()
    (tmp_path / "key").write_text(f"# of ops\n{owner}\n")
    gitlab = FleetGitLab("a/b", revision="crossdock")
    gitlab.projects["a/b"].archive = ONE
    gitlab.signer = parse_signer(KEY)
    made = Sealed(
        tmp_path / "kept", tmp_path / "key", read_recipients([str(owner.to_public())], None), gitlab,
        monkeypatch, capsys,
    )  # fmt: skip
    assert (await made.back_up(made.encrypt_for)).done == 1
    return made


async def test_archive_and_manifest_leave_as_age_files_and_the_record_tells_of_both(sealed: Sealed) -> None:
    record = await sealed.record()
    stored = (sealed.place / record.file).read_bytes()
    assert record.file.endswith(".tar.gz.age")
    assert (record.bytes, record.sha256) == (len(ONE), hashlib.sha256(ONE).hexdigest())
    assert (record.stored.bytes, record.stored.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
    assert record.recipients == sealed.encrypt_for.names
    for file in sealed.place.rglob("*"):
        assert not file.is_file() or b"secret-name" not in file.read_bytes()


async def test_the_program_age_decrypts_what_is_kept(sealed: Sealed) -> None:
    record = await sealed.record()
    process = await asyncio.create_subprocess_exec(
        program("age"),
        "-d",
        "-i",
        sealed.identity,
        sealed.place / record.file,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert out == ONE


async def test_who_has_the_identity_checks_all_and_others_what_is_stored(sealed: Sealed) -> None:
    code, said = await sealed.check("--read-data", "--identity", str(sealed.identity))
    assert code == 0
    assert "encrypted" not in said
    code, said = await sealed.check("--read-data")
    assert code == 0
    assert "1 archive is encrypted: without --identity only what is stored of them is checked" in said


async def test_a_bit_that_has_changed_is_found_with_and_without_an_identity(sealed: Sealed) -> None:
    file = sealed.place / (await sealed.record()).file
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)
    for options in (("--identity", str(sealed.identity)), ()):
        code, said = await sealed.check("--read-data", *options)
        assert code == 1
        assert "archive_damaged" in said


async def test_a_manifest_that_has_changed_is_found_with_and_without_an_identity(sealed: Sealed) -> None:
    [file] = sealed.place.rglob("*.manifest.json.age")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    for options in (("--identity", str(sealed.identity)), ()):
        code, said = await sealed.check(*options)
        assert code == 1
        assert "manifest_damaged" in said


async def test_what_is_encrypted_is_restored_with_its_identity(sealed: Sealed) -> None:
    script = Script(
        answer({"message": "404 Not Found"}, 404), answer({"id": 1}), crossdock(),
        imported("scheduled", job=5), imported("finished", job=5), answer(job("finished")),
    )  # fmt: skip
    report = await sealed.restore(read_identities([sealed.identity]), script)
    assert (report.done, report.failed) == (1, 0)
    [upload] = [each.body for each in script.asked if each.method == "POST"]
    assert ONE in upload


async def test_without_an_identity_nothing_is_restored(sealed: Sealed) -> None:
    with pytest.raises(UsageError, match="--identity"):
        await sealed.restore([], Script())


async def test_an_identity_of_another_is_told(sealed: Sealed) -> None:
    sealed.identity.write_text(str(x25519.Identity.generate()))
    code, said = await sealed.check("--read-data", "--identity", str(sealed.identity))
    assert code == 1
    assert "not_decrypted" in said


async def test_other_recipients_make_the_archive_anew_and_the_same_do_not(sealed: Sealed) -> None:
    assert (await sealed.back_up(sealed.encrypt_for)).skipped == 1
    other = read_recipients([str(x25519.Identity.generate().to_public()), *sealed.encrypt_for.names], None)
    assert (await sealed.back_up(other)).done == 1
    assert (await sealed.back_up(EncryptFor())).done == 1


async def test_what_goes_goes_with_its_encrypted_manifest(sealed: Sealed) -> None:
    assert [*sealed.place.rglob("*.manifest.json.age")]
    await forget(sealed.store, await sealed.record())
    assert [each.name for each in (sealed.place / "projects").rglob("*") if each.is_file()] == []


def test_recipients_come_from_files_with_comments_and_each_once(tmp_path: Path) -> None:
    keys = sorted(str(x25519.Identity.generate().to_public()) for _ in range(2))
    (tmp_path / "ops").write_text(f"# ops\n{keys[0]}\n\n{keys[1]}\n")
    assert read_recipients([keys[0]], [tmp_path / "ops"]).names == tuple(keys)
    (tmp_path / "none").write_text("# none\n")
    with pytest.raises(UsageError, match="no recipient"):
        read_recipients(None, [tmp_path / "none"])
    with pytest.raises(RecipientInvalid):
        read_recipients(["age1x"], None)
    with pytest.raises(UsageError, match="cannot read"):
        read_recipients(None, [tmp_path / "missing"])


async def test_an_encrypted_object_is_not_there_before_its_commit(tmp_path: Path) -> None:
    store, recipients = (
        FilesystemStore(tmp_path),
        parse_recipients([str(x25519.Identity.generate().to_public())]),
    )
    async with create_object(store, "a.age", recipients) as writer:
        await writer.write(bytes(3_000_000))
    with pytest.raises(ObjectMissing):
        await store.stat("a.age")


class _FullWriter(FilesystemWriter):
    async def write(self, data: bytes | bytearray | memoryview) -> None:
        raise StorageError(f"no space for {len(data)} bytes")


class FullStore(FilesystemStore):
    """It takes no byte."""

    def create(self, key: str) -> FilesystemWriter:
        return _FullWriter(key, root=self._root, incoming=self._incoming)


async def test_a_store_that_fails_while_an_object_is_encrypted_is_told_to_who_writes(tmp_path: Path) -> None:
    recipients = parse_recipients([str(x25519.Identity.generate().to_public())])

    async def write() -> None:
        async with create_object(FullStore(tmp_path), "a.age", recipients) as writer:
            for _ in range(100):
                await writer.write(bytes(256 * 1024))

    with pytest.raises(StorageError, match="no space"):
        await write()


async def test_a_large_object_is_written_and_read_in_pieces(tmp_path: Path) -> None:
    owner = x25519.Identity.generate()
    store, recipients = FilesystemStore(tmp_path), parse_recipients([str(owner.to_public())])
    (tmp_path / "key").write_text(str(owner))
    digest = hashlib.sha256()
    async with create_object(store, "a.age", recipients) as writer:
        for number in range(50):
            piece = bytes([number]) * 200_000
            digest.update(piece)
            await writer.write(piece)
        stored = await writer.commit()
    assert (await store.stat("a.age")).size == stored.bytes
    found, longest = hashlib.sha256(), 0
    async for piece in read_object(store, "a.age", read_identities([tmp_path / "key"])):
        found.update(piece)
        longest = max(longest, len(piece))
    assert found.digest() == digest.digest()
    assert longest <= 512 * 1024
