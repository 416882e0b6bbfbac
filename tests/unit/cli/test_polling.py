from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import TypeVar

import pytest

from services.cli.errors import JobFailed, RefusedByServer, ServerJobFailed
from services.cli.polling import export_states, import_states, limit_wait
from tests.support.gitlab_stub import Script, answer, exported, imported, job

T = TypeVar("T")


async def last(states: AsyncIterator[T]) -> T:
    return [state async for state in states][-1]


async def test_an_import_is_waited_for_until_it_finished() -> None:
    async with Script(imported("scheduled"), imported("started"), imported("finished")).client() as client:
        seen = [status.import_status async for status in import_states(client, 7)]
    assert seen == ["scheduled", "started", "finished"]


@pytest.mark.parametrize("state", ["failed", "canceled"])
async def test_a_failed_import_says_why(state: str) -> None:
    async with Script(imported(state, import_error="not a gzip stream")).client() as client:
        with pytest.raises(JobFailed, match=f"group/one {state}: not a gzip stream"):
            await last(import_states(client, 7))


@pytest.mark.parametrize("states", [import_states, export_states])
async def test_a_job_whose_project_is_gone_says_how_it_ended(states: Callable[..., AsyncIterator[T]]) -> None:
    word = job("canceled") | {"error": "the project was deleted", "error_code": "project_deleted"}
    async with Script(answer(status=404), answer(word)).client() as client:
        with pytest.raises(ServerJobFailed, match="job 5 canceled, and its project is gone: the") as raised:
            await last(states(client, 7, 5))
    assert raised.value.error_code == "project_deleted"


@pytest.mark.parametrize("number", [None, 5])
async def test_a_project_that_nobody_knows_is_not_found(number: int | None) -> None:
    async with Script(answer(status=404), answer(status=404)).client() as client:
        with pytest.raises(RefusedByServer, match="404"):
            await last(import_states(client, 7, number))


async def test_there_is_no_waiting_for_an_import_that_is_none() -> None:
    async with Script(imported("none")).client() as client:
        with pytest.raises(JobFailed, match="no import"):
            await last(import_states(client, 7))


async def test_an_export_may_be_none_before_a_worker_takes_it() -> None:
    states = ("none", "none", "queued", "started", "regeneration_in_progress", "finished")
    async with Script(*map(exported, states)).client() as client:
        assert (await last(export_states(client, 7))).export_status == "finished"


async def test_an_export_that_is_none_again_has_failed() -> None:
    script = Script(*map(exported, ("none", "started", "none")))
    async with script.client() as client:
        with pytest.raises(JobFailed, match="left no file"):
            await last(export_states(client, 7))


async def test_an_export_that_no_worker_takes_is_given_up_at_the_end_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Script(exported("none")).client() as client:
        monkeypatch.setattr("services.cli.polling.FIRST_PAUSE", timedelta(days=1))
        with pytest.raises(JobFailed, match="gave up waiting"):
            async with limit_wait(timedelta(seconds=0.1), "the export"):
                await last(export_states(client, 7))


async def test_a_failed_export_is_told() -> None:
    async with Script(exported("failed")).client() as client:
        with pytest.raises(JobFailed, match="failed"):
            await last(export_states(client, 7))


async def test_waiting_has_an_end() -> None:
    with pytest.raises(JobFailed, match="gave up waiting for the export"):
        async with limit_wait(timedelta(), "the export"):
            await asyncio.Event().wait()
