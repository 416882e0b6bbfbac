"""Schedules that take some relations, and destinations that have keys: what lies in the bucket then."""

from __future__ import annotations

from contextlib import aclosing
from hashlib import sha256

from pyrage import x25519

from services.cli.fleet.check import Check
from services.cli.known_keys import Trust
from shared.age.keys import parse_identities
from shared.archive.limits import Limits
from shared.catalogue.archives import ArchiveRecord
from shared.catalogue.objects import read_object
from shared.gitlab.relation_selection import RelationSelection
from shared.schedules.models import ProjectState
from tests.support.imported import imported
from tests.support.projects import bundle, files, ndjson, project
from tests.support.vault import Vault

ISSUES = ndjson(b'{"iid":1,"title":"first"}')
WHOLE = project(
    ("project.bundle", bundle()), ("uploads/secret-name", b"s"),
    issues=ISSUES, labels=ndjson(b'{"title":"bug"}'),
)  # fmt: skip
DONE, SKIPPED = {ProjectState.DONE: 1}, {ProjectState.SKIPPED: 1}


async def records(vault: Vault) -> list[ArchiveRecord]:
    return [*await vault.catalogue()]


async def archive(vault: Vault, record: ArchiveRecord, owner: x25519.Identity | None = None) -> bytes:
    identities = parse_identities(str(owner).encode()) if owner else []
    async with aclosing(read_object(vault.bucket, record.file, identities)) as pieces:
        return b"".join([piece async for piece in pieces])


async def test_a_schedule_sends_the_relations_that_it_names_and_the_record_says_so(vault: Vault) -> None:
    await imported(vault.api, vault.ann, WHOLE, path="one")
    schedule = await vault.new_schedule(relations=["issues"])
    assert (await vault.back_up(schedule)).counts == DONE
    [record] = await records(vault)
    assert record.selection == RelationSelection(relations=("issues",))
    assert {
        name for name in files(await archive(vault, record)) if "/project/" in name or "uploads" in name
    } == {"tree/project/issues.ndjson"}
    assert (await vault.back_up(schedule)).counts == SKIPPED


async def test_other_relations_make_an_archive_anew_though_nothing_has_changed(vault: Vault) -> None:
    await imported(vault.api, vault.ann, WHOLE, path="one")
    schedule = await vault.new_schedule(retention={"last": 1})
    assert (await vault.back_up(schedule)).counts == DONE
    await vault.call("PUT", f"/schedules/{schedule}", excluded_relations=["uploads"])
    assert (await vault.back_up(schedule)).counts == DONE
    assert (await vault.back_up(schedule)).counts == SKIPPED
    # The whole archive stays, as the other one does not stand for it.
    kept = [each.selection for each in await records(vault)]
    assert kept == [None, RelationSelection(excluded_relations=("uploads",))]


async def test_what_goes_to_a_destination_with_keys_is_encrypted(vault: Vault) -> None:
    owner = x25519.Identity.generate()
    await imported(vault.api, vault.ann, WHOLE, path="one")
    keys = [str(owner.to_public())]
    vault.destination = await vault.new_destination("sealed", recipients=keys)
    schedule = await vault.new_schedule()
    assert (await vault.back_up(schedule)).counts == DONE
    assert (await vault.back_up(schedule)).counts == SKIPPED

    [record] = await records(vault)
    assert record.file.endswith(".tar.gz.age")
    assert record.recipients == tuple(keys)
    stored = b"".join([piece async for piece in vault.bucket.read(record.file)])
    assert (record.stored.bytes, record.stored.sha256) == (len(stored), sha256(stored).hexdigest())
    plain = await archive(vault, record, owner)
    assert (record.bytes, record.sha256) == (len(plain), sha256(plain).hexdigest())
    assert files(plain)["tree/project/issues.ndjson"] == ISSUES
    for key in await vault.keys():
        assert b"secret-name" not in b"".join([piece async for piece in vault.bucket.read(key)])


async def test_the_command_line_checks_what_the_server_has_encrypted(vault: Vault) -> None:
    owner = x25519.Identity.generate()
    await imported(vault.api, vault.ann, WHOLE, path="one")
    vault.destination = await vault.new_destination("sealed", recipients=[str(owner.to_public())])
    await vault.back_up(await vault.new_schedule())
    for identities in ([], parse_identities(str(owner).encode())):
        check = Check(vault.bucket, share=1.0, trust=Trust(), limits=Limits(), identities=identities)
        report = (await check.run(await vault.catalogue(), json=False)).report
        assert (report.done, report.failed) == (1, 0)


async def test_other_keys_make_an_archive_anew_and_what_was_sent_stays(vault: Vault) -> None:
    await imported(vault.api, vault.ann, WHOLE, path="one")
    schedule = await vault.new_schedule()
    assert (await vault.back_up(schedule)).counts == DONE
    keys = [str(x25519.Identity.generate().to_public())]
    await vault.call("PUT", f"/destinations/{vault.destination}", recipients=keys)
    assert (await vault.back_up(schedule)).counts == DONE
    assert [each.recipients for each in await records(vault)] == [(), tuple(keys)]
