from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from services.cli.errors import JobFailed
from services.cli.jobs import limited, wait_for_export, wait_for_import
from tests.support.gitlab_stub import Script, exported, imported


async def test_an_import_is_waited_for_until_it_finished() -> None:
    seen: list[str] = []
    async with Script(imported("scheduled"), imported("started"), imported("finished")).client() as client:
        await wait_for_import(client, 7, seen.append)
    assert seen == ["scheduled", "started", "finished"]


@pytest.mark.parametrize("state", ["failed", "canceled"])
async def test_a_failed_import_says_why(state: str) -> None:
    async with Script(imported(state, import_error="not a gzip stream")).client() as client:
        with pytest.raises(JobFailed, match=f"group/one {state}: not a gzip stream"):
            await wait_for_import(client, 7, lambda _: None)


async def test_there_is_no_waiting_for_an_import_that_is_none() -> None:
    async with Script(imported("none")).client() as client:
        with pytest.raises(JobFailed, match="no import"):
            await wait_for_import(client, 7, lambda _: None)


async def test_an_export_may_be_none_before_a_worker_takes_it() -> None:
    script = Script(*map(exported, ("none", "queued", "started", "regeneration_in_progress", "finished")))
    async with script.client() as client:
        assert (await wait_for_export(client, 7, lambda _: None)).export_status == "finished"


async def test_an_export_that_stays_none_is_given_up() -> None:
    async with Script(exported("none")).client() as client:
        with pytest.raises(JobFailed, match="did not start"):
            await wait_for_export(client, 7, lambda _: None, patience=timedelta())


async def test_a_failed_export_is_told() -> None:
    async with Script(exported("failed")).client() as client:
        with pytest.raises(JobFailed, match="failed"):
            await wait_for_export(client, 7, lambda _: None)


async def test_waiting_has_an_end() -> None:
    with pytest.raises(JobFailed, match="gave up waiting for the export"):
        async with limited(timedelta(), "the export"):
            await asyncio.Event().wait()
