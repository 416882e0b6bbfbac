from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from rich.console import Console
from rich.live import Live

from services.cli import event_stream
from services.cli.client import GitLabClient
from services.cli.errors import RefusedByServer, ServerUnreachable, UnintelligibleAnswer
from services.cli.event_stream import Event, EventStream
from services.cli.job_watch import JobFilter, LiveTable, print_events, watch
from services.cli.retries import ATTEMPTS
from tests.support.gitlab_stub import Answer, Script, answer, job

BEGUN = b"retry: 2000\n\n"
HERE = b": still here\nid: 40\n\n"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "PAUSE", timedelta())


def event(number: int, name: str, state: str, **more: Any) -> bytes:
    kind = name.partition(".")[0]
    data = {
        "job": {"id": more.pop("job", 5), "kind": kind, "state": state, "attempt": more.pop("attempt", 1),
                "max_attempts": 5} | more.pop("moved", {}),
        "project": {"id": 7, "path_with_namespace": "group/one"},
        "user_id": 3, "progress": {}, "error": None, "error_code": None,
    } | more  # fmt: skip
    document = {"id": str(number), "type": f"com.crossdock.{name}.v1", "time": "2026-11-28T02:00:00Z"}
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (
        number,
        name.encode(),
        json.dumps(document | {"data": data}).encode(),
    )


def stream(*blocks: bytes, breaks: bool = False) -> Answer:
    """Send blocks; where it ``breaks``, the connection does after them."""

    async def respond(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for block in blocks:
            await response.write(block)
        if breaks:
            assert request.transport is not None
            request.transport.abort()
        return response

    return respond


ENDED = answer(status=204)
QUEUED = event(41, "import.queued", "queued")
STARTED = event(42, "import.started", "running")
FINISHED = event(43, "import.finished", "finished")


async def taken(client: GitLabClient, **options: Any) -> list[str]:
    names: list[str] = []

    async def take(event: Event | None) -> None:
        names.extend([event.name] if event else [])

    await EventStream(client, **options).read(take)
    return names


async def test_the_events_of_a_job_end_with_the_job() -> None:
    script = Script(stream(BEGUN, QUEUED, STARTED, FINISHED))
    async with script.client() as client:
        assert await taken(client, job=5) == ["import.queued", "import.started", "import.finished"]
    assert [asked.target for asked in script.asked] == ["/api/crossdock/v1/jobs/5/events"]


@pytest.mark.parametrize("breaks", [True, False])
async def test_a_stream_that_ends_goes_on_after_the_last_event(*, breaks: bool) -> None:
    script = Script(stream(BEGUN, HERE, QUEUED, breaks=breaks), stream(BEGUN, STARTED, FINISHED))
    async with script.client() as client:
        assert await taken(client, job=5) == ["import.queued", "import.started", "import.finished"]
    assert [asked.headers.get("Last-Event-ID") for asked in script.asked] == [None, "41"]


async def test_an_event_that_is_cut_off_is_read_again() -> None:
    script = Script(stream(BEGUN, QUEUED, STARTED[:50], breaks=True), stream(BEGUN, STARTED), ENDED)
    async with script.client() as client:
        assert await taken(client, job=5) == ["import.queued", "import.started"]


async def test_a_stream_that_does_not_follow_is_read_once() -> None:
    script = Script(stream(BEGUN, QUEUED))
    async with script.client() as client:
        assert await taken(client, job=5, follow=False) == ["import.queued"]
    assert script.asked[0].target.endswith("/events?follow=false")


async def test_connections_that_bring_nothing_are_given_up() -> None:
    script = Script(*[stream(BEGUN, breaks=True)] * (ATTEMPTS + 1))
    async with script.client() as client:
        with pytest.raises(ServerUnreachable):
            await taken(client, job=5)
    assert len(script.asked) == ATTEMPTS


async def test_what_is_no_stream_of_events_is_told_at_once() -> None:
    script = Script(answer({"some": "json"}))
    async with script.client() as client:
        with pytest.raises(UnintelligibleAnswer, match="no Crossdock"):
            await taken(client, job=5)
    assert len(script.asked) == 1


async def test_a_line_without_end_is_not_held() -> None:
    endless = stream(BEGUN, b"data: ", *[b"x" * 65536] * 20)
    script = Script(endless)
    async with script.client() as client:
        with pytest.raises(UnintelligibleAnswer):
            await taken(client, job=5)


async def test_what_is_no_event_of_a_job_is_passed_over() -> None:
    other = b'id: 9\nevent: run.finished\ndata: {"time": "2026-11-28T02:00:00Z", "data": {"run": {}}}\n\n'
    script = Script(stream(BEGUN, other, QUEUED), ENDED)
    async with script.client() as client:
        assert await taken(client, job=5) == ["import.queued"]


async def test_logs_are_a_line_for_each_move(capsys: pytest.CaptureFixture[str]) -> None:
    retried = event(42, "import.retried", "queued", attempt=2, error="the store\x1bis away")
    script = Script(stream(BEGUN, QUEUED, event(44, "import.progress", "running"), retried, FINISHED))
    async with script.client() as client:
        await print_events(client, 5, follow=True, json=False)
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-28 02:00:00Z  5  import.queued  group/one",
        "2026-11-28 02:00:00Z  5  import.retried  group/one  attempt 2 of 5  the store�is away",
        "2026-11-28 02:00:00Z  5  import.finished  group/one",
    ]


async def test_logs_explain_what_gitlab_says_of_a_file_that_is_no_export(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = event(42, "import.failed", "failed", error="No such file or directory (VERSION is missing)")
    async with Script(stream(BEGUN, failed)).client() as client:
        await print_events(client, 5, follow=True, json=False)
    assert capsys.readouterr().out.endswith(
        "(VERSION is missing): the file is no export of a GitLab project\n"
    )


async def test_logs_say_who_canceled_a_job_and_what_it_is_a_retry_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    retry = {"retry_of": 4}
    eve = {"id": 3, "username": "eve", "name": "Eve"}
    script = Script(
        stream(
            BEGUN,
            event(41, "import.queued", "queued", moved=retry),
            event(42, "import.canceled", "canceled", moved=retry | {"canceled_by": eve}),
        ),
        ENDED,
    )
    async with script.client() as client:
        await print_events(client, 5, follow=True, json=False)
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-28 02:00:00Z  5  import.queued  group/one  retry of job 4",
        "2026-11-28 02:00:00Z  5  import.canceled  group/one  by eve",
    ]


async def test_logs_as_json_are_the_events_as_they_came(capsys: pytest.CaptureFixture[str]) -> None:
    script = Script(stream(BEGUN, QUEUED, FINISHED))
    async with script.client() as client:
        await print_events(client, 5, follow=False, json=True)
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["id"] for each in printed] == ["41", "43"]
    assert printed[0]["data"]["project"]["path_with_namespace"] == "group/one"


NONE: dict[str, str | None] = dict.fromkeys(("state", "kind", "code", "project", "user", "mine"))


async def watched(script: Script, **filters: str) -> None:
    """Watch until the script has no more answers."""
    async with script.client() as client:
        with pytest.raises(RefusedByServer):
            await watch(client, NONE | filters, limit=20, json=False)


async def test_a_watch_lists_what_there_is_once_the_stream_has_begun(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = Script(stream(BEGUN, HERE, STARTED), answer([job("queued", 6), job("queued", 5)]))
    await watched(script)
    assert [asked.target.partition("?")[0] for asked in script.asked[:2]] == [
        "/api/crossdock/v1/events",
        "/api/crossdock/v1/jobs",
    ]
    assert capsys.readouterr().out.splitlines() == [
        "5  import  queued  group/one",
        "6  import  queued  group/one",
        "2026-11-28 02:00:00Z  5  import.started  group/one",
    ]


async def test_a_watch_shows_the_jobs_of_a_user_alone(capsys: pytest.CaptureFixture[str]) -> None:
    events = stream(BEGUN, STARTED, event(44, "import.failed", "failed", user_id=4, job=9))
    script = Script(answer([{"id": 4, "username": "ann"}]), events, answer([]))
    await watched(script, user="ann")
    assert script.asked[0].target == "/api/v4/users?username=ann"
    assert capsys.readouterr().out == "2026-11-28 02:00:00Z  9  import.failed  group/one\n"


@pytest.mark.parametrize(
    ("shown", "matches"),
    [
        (JobFilter(), True),
        (JobFilter(state="running", kind="import", user_id=3), True),
        (JobFilter(project="7"), True),
        (JobFilter(project="/Group/One"), True),
        (JobFilter(project="group"), False),
        (JobFilter(kind="export"), False),
        (JobFilter(state="finished"), False),
        (JobFilter(user_id=4), False),
        (JobFilter(code="storage"), False),
    ],
)
async def test_a_filter_holds_for_events_as_for_the_list(shown: JobFilter, *, matches: bool) -> None:
    found: list[bool] = []

    async def take(event: Event | None) -> None:
        found.extend([shown.matches(event.data)] if event else [])

    async with Script(stream(STARTED), ENDED).client() as client:
        await EventStream(client, job=5).read(take)
    assert found == [matches]


async def test_the_table_has_the_newest_jobs_and_loses_what_matches_no_longer() -> None:
    written = io.StringIO()
    console = Console(file=written, width=100, force_terminal=True)
    blocks = [event(number, "import.started", "running", job=number) for number in (1, 2, 3)]
    with Live(console=console, auto_refresh=False) as live:
        table = LiveTable(live, limit=2)
        table.list(iter([]))

        async def take(event: Event | None) -> None:
            if event is not None:
                table.change(event, matches=event.data.job.state == "running")

        ended = event(4, "import.finished", "finished", job=2)
        async with Script(stream(*blocks, ended), ENDED).client() as client:
            await EventStream(client, job=2).read(take)
        console.clear()
        written.truncate(0)
        live.refresh()
    shown = written.getvalue()
    assert " 3 " in shown
    assert " 1 " not in shown
    assert " 2 " not in shown
