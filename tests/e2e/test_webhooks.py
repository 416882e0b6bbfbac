"""A program that knows Standard Webhooks alone follows an import and an export, in both forms."""

from __future__ import annotations

from uuid import uuid4

import aiohttp

from tests.support.gitlab import GitLab
from tests.support.hooks import hooked
from tests.support.samples.table import archive
from tests.support.system import System

MOVES = ["queued", "started", "finished"]


async def test_a_receiver_is_told_of_every_move_signed_and_in_order(system: System, gitlab: GitLab) -> None:
    api = f"{system.url}/api/crossdock/v1/webhooks"
    path = f"hooked-{uuid4().hex}"
    async with (
        aiohttp.ClientSession(headers={"PRIVATE-TOKEN": system.token}) as session,
        hooked(503) as receiver,
    ):
        async with session.post(api, json={"url": receiver.url}) as answer:
            assert answer.status == 201, await answer.text()
            webhook = await answer.json()
        project = (await gitlab.import_file(archive("every_relation"), path))["id"]
        await gitlab.export(project)
        told: dict[str, str] = {}
        while len(told) < len(MOVES) * 2:
            (hook,) = await receiver.take(1)
            event = hook.event(webhook["secret"])
            if event["data"]["project"]["id"] == project:
                assert event["subject"] == f"root/{path}"
                told[hook.id] = event["type"]
        async with session.delete(f"{api}/{webhook['id']}") as answer:
            assert answer.status == 204
    for kind in ("import", "export"):
        of_kind = [each for each in told.values() if each.split(".")[2] == kind]
        assert of_kind == [f"com.crossdock.{kind}.{move}.v1" for move in MOVES]
