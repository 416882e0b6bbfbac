"""The scrub reads everything slowly, goes on where the leader before has stopped, and repairs nothing."""

from __future__ import annotations

import hashlib
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from services.process.maintenance import make_scrub
from services.process.ports import Ports
from shared.audit import scrub as scrubbing
from shared.audit.findings import FindingKind
from shared.audit.scrub import Scrub
from shared.metrics.scrub import ScrubMetrics
from shared.settings.environment import Settings
from shared.storage.checksums import BLOCK
from shared.storage.errors import OperationFailed
from tests.support.audits import GRACE, AuditedStore, aged
from tests.support.counting import flip
from tests.support.objects import put
from tests.support.projects import Dock

RATE = 1024


class Stopped(Exception):
    """The process ends."""


class Pauses:
    """Waits for no time, and keeps for how long it was asked to; ends the process at the wait ``last``."""

    def __init__(self, last: int | None = None) -> None:
        self.seconds: list[float] = []
        self._last = last

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == self._last:
            raise Stopped


def made(dock: Dock, pauses: Pauses, registry: CollectorRegistry | None = None) -> Scrub:
    metrics = ScrubMetrics(registry, (kind.value for kind in FindingKind))
    return Scrub(dock.pool, dock.store, rate=RATE, grace=GRACE, metrics=metrics, pause=pauses)


async def passed(scrub: Scrub) -> int:
    """Scrub to the end of a pass; give its steps."""
    steps = 0
    while await scrub.step():
        steps += 1
    return steps


async def test_a_pass_reads_everything_once_and_waits_for_as_long_as_its_rate_wants(
    dock: Dock, store: AuditedStore
) -> None:
    sizes = [(dock.root / key).stat().st_size for key in dock.stored()]
    pauses, registry, store.bytes_read = Pauses(), CollectorRegistry(), 0
    assert await passed(made(dock, pauses, registry)) == len(dock.stored()) + 1
    assert store.bytes_read == sum(sizes)
    assert registry.get_sample_value("crossdock_scrub_bytes_total") == sum(sizes)
    assert min(sizes) < 64 * 1024  # small ones count as so much
    assert sum(pauses.seconds) == pytest.approx(sum(max(size, 64 * 1024) for size in sizes) / RATE)
    assert max(pauses.seconds) == BLOCK / RATE
    assert await dock.pool.fetchval("SELECT findings FROM scrub") == 0


async def test_a_pass_begins_a_day_after_the_one_before(dock: Dock, store: AuditedStore) -> None:
    await passed(made(dock, Pauses()))
    store.reads.clear()
    assert not await made(dock, Pauses()).step()
    await dock.pool.execute("UPDATE scrub SET ended_at = ended_at - interval '25 hours'")
    assert await made(dock, Pauses()).step()
    assert len(store.reads) == 1


async def test_what_is_found_is_counted_and_nothing_is_changed(dock: Dock) -> None:
    registry = CollectorRegistry()
    scrub = made(dock, Pauses(), registry)
    for kind in FindingKind:
        assert registry.get_sample_value("crossdock_scrub_findings_total", {"kind": kind.value}) == 0
    [damaged] = dock.stored("blobs/")
    flip(dock.root / damaged, 5000)
    await put(dock.store, "packs/00/old", b"1")
    aged(dock.root / "packs/00/old")
    await passed(scrub)
    for found in ("object_block", "entry", "orphan"):
        assert registry.get_sample_value("crossdock_scrub_findings_total", {"kind": found}) == 1
    assert await dock.pool.fetchval("SELECT findings FROM scrub") == 3
    assert await dock.pool.fetchval("SELECT count(*) FROM objects WHERE state <> 'stored'") == 0


async def test_the_next_leader_goes_on_within_an_object(
    dock: Dock, store: AuditedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrubbing, "_KEPT_EVERY", BLOCK)
    large = await dock.pool.fetchrow("SELECT id, key, size FROM objects WHERE kind = 'blob'")
    assert large
    await dock.pool.execute("INSERT INTO scrub (object_id) VALUES ($1)", large["id"])
    with pytest.raises(Stopped):
        await made(dock, Pauses(last=3)).step()
    flip(dock.root / large["key"], large["size"] - 1)
    store.reads.clear()
    await made(dock, Pauses()).step()
    assert store.reads[0] == (large["key"], 2 * BLOCK, None)
    assert await dock.pool.fetchval("SELECT findings FROM scrub") == 1  # of the block: the entry began before


async def test_a_pack_has_its_digest_after_a_pass_and_what_is_damaged_has_none(dock: Dock) -> None:
    [pack] = dock.stored("packs/")
    flip(dock.root / pack, 3)
    await passed(made(dock, Pauses()))
    assert await dock.pool.fetchval("SELECT sha256 FROM objects WHERE kind = 'pack'") is None
    flip(dock.root / pack, 3)
    await dock.pool.execute("UPDATE scrub SET ended_at = NULL")
    await passed(made(dock, Pauses()))
    digest = hashlib.sha256((dock.root / pack).read_bytes()).digest()
    assert await dock.pool.fetchval("SELECT sha256 FROM objects WHERE kind = 'pack'") == digest


async def test_an_outage_of_the_store_is_no_finding_and_the_scrub_goes_on_after_it(
    dock: Dock, store: AuditedStore
) -> None:
    async def fail(_key: str) -> None:
        raise OperationFailed("read", "", reason="unreachable")

    store.before, store.is_down = fail, OperationFailed("check", "", reason="unreachable")
    pauses = Pauses(last=2)
    with pytest.raises(Stopped):
        await made(dock, pauses).run()
    assert pauses.seconds[-1] == 60  # the first one is for a small object
    assert await dock.pool.fetchval("SELECT object_id + findings FROM scrub") == 0


def test_there_is_no_scrub_unless_a_setting_wants_it() -> None:
    assert make_scrub(cast("Ports", None), Settings()) is None
