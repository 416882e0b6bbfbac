"""Runs Crossdock for a while under load, does it harm all the time, and says what was lost, doubled or left.

``python -m tests.soak --help`` says what can be asked for. The exit code is 1 where something was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from shared.database.migrate import migrate
from shared.database.pool import database
from shared.logs import configure
from shared.storage.s3 import s3_store
from tests.soak.fleet import Fleet
from tests.soak.observer import Observer
from tests.soak.plan import KILL_EVERY, PLACES, faults, wishes
from tests.soak.report import Report
from tests.soak.servers import Disturber, Servers
from tests.soak.users import Users
from tests.soak.verdict import losses
from tests.support.buckets import made_bucket
from tests.support.objects import leftovers, s3_config
from tests.support.ports import free_ports
from tests.support.postgres import throwaway_postgres
from tests.support.rabbitmq import throwaway_rabbitmq
from tests.support.receivers import Receiver, receiving
from tests.support.seaweedfs import seaweedfs
from tests.support.system import UNLIMITED, answers, environment

ROOT = Path(__file__).parents[2]
_APIS = ("api",)
_WORKERS = ("importer-0", "importer-1", "exporter-0", "exporter-1")
_AT_ONCE = 20
_JOBS, _SECONDS = 500, 600
_SETTINGS = {
    **UNLIMITED,
    "CROSSDOCK_COLLECT_GRACE_SECONDS": "60",
    "CROSSDOCK_PACK_BLOB_SIZE": "1",
    "CROSSDOCK_SMALL_JOB_CONCURRENCY": "1",
    "CROSSDOCK_METRICS_PORT": "0",
}
"""Short leases and rounds, the shortest grace time, an object for the blob of each large archive.

And few slots, so that there is a queue: who is killed is to be at work.
"""


def parse(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=_SECONDS, help="how long there are faults (600)")
    add("--jobs", type=int, help="requests (500 in ten minutes)")
    add("--seed", type=int, default=1, help="of the plan of requests and faults (1)")
    add("--patience", type=float, default=240, help="seconds that jobs have to end after all (240)")
    add("--out", type=Path, default=ROOT / "soak.json", help="the results as JSON (soak.json)")
    return parser.parse_args(words)


def main() -> int:
    """Run, and give the exit code."""
    options = parse(sys.argv[1:])
    configure("text", "warning")
    logging.getLogger("aiormq").setLevel(
        logging.CRITICAL
    )  # it tells of each try to reach a broker that is away
    with _servers() as servers, tempfile.TemporaryDirectory(prefix="crossdock-soak-") as folder:
        report = asyncio.run(_soak(options, servers, Path(folder)))
    report.write(options.out)
    print(report.words())
    return int(bool(report.losses))


@contextmanager
def _servers() -> Iterator[Servers]:
    with ExitStack() as resources:
        postgres = resources.enter_context(throwaway_postgres())
        rabbitmq = resources.enter_context(throwaway_rabbitmq())
        s3 = resources.enter_context(seaweedfs())
        asyncio.run(made_bucket(s3))
        name = asyncio.run(postgres.create())
        asyncio.run(migrate(postgres.url(name)))
        yield Servers(postgres, rabbitmq, s3, name, f"{secrets.token_hex(4)}.")


async def _soak(options: argparse.Namespace, servers: Servers, folder: Path) -> Report:
    (port,) = free_ports(1)
    env = _environment(servers, port=port)
    async with receiving() as receiver, _session(env) as session:
        fleet = Fleet(folder, dict.fromkeys([*_APIS, *_WORKERS], env))
        try:
            url = env["CROSSDOCK_EXTERNAL_URL"]
            while not await asyncio.to_thread(answers, f"{url}/-/readiness?all=1"):
                await asyncio.sleep(0.1)
            return await _run(options, servers, fleet, session, receiver, env)
        finally:
            fleet.close()


def _environment(servers: Servers, *, port: int) -> dict[str, str]:
    return environment(
        database_url=servers.postgres.url(servers.database),
        broker_url=servers.rabbitmq.url,
        s3=servers.s3,
        base=_SETTINGS,
        CROSSDOCK_BROKER_PREFIX=servers.prefix,
        CROSSDOCK_PORT=str(port),
        CROSSDOCK_EXTERNAL_URL=f"http://127.0.0.1:{port}",
    )


def _session(env: Mapping[str, str]) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        headers={"PRIVATE-TOKEN": env["CROSSDOCK_ROOT_TOKEN"]}, timeout=aiohttp.ClientTimeout(total=60)
    )


async def _run(
    options: argparse.Namespace,
    servers: Servers,
    fleet: Fleet,
    session: aiohttp.ClientSession,
    receiver: Receiver,
    env: Mapping[str, str],
) -> Report:
    count = options.jobs or round(_JOBS * options.seconds / _SECONDS)
    wished = wishes(count, seed=options.seed)
    steps = faults(round(options.seconds / KILL_EVERY), seed=options.seed, apis=_APIS, workers=_WORKERS)
    url = env["CROSSDOCK_EXTERNAL_URL"]
    users = Users(session, url, receiver=receiver.url, seed=options.seed)
    await users.grant(wished[:PLACES], at_once=PLACES, seconds=0)
    disturber, supervising = Disturber(servers, fleet), asyncio.create_task(fleet.supervise())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(users.grant(wished[PLACES:], at_once=_AT_ONCE, seconds=options.seconds))
        tasks.create_task(disturber.run(steps, every=KILL_EVERY))
    config = s3_config(servers.s3, prefix=env["CROSSDOCK_S3_PREFIX"])
    async with database(env["CROSSDOCK_DATABASE_URL"], size=4) as pool, s3_store(config) as store:
        observer, began = Observer(session, url, pool, store), time.monotonic()
        await observer.until_ended(seconds=options.patience)
        settling = time.monotonic() - began
        supervising.cancel()
        with suppress(asyncio.CancelledError):
            await supervising
        seen = await observer.see(wished, receiver.taken, fleet.deaths)
        return Report(
            about=_about(options), asked=users.asked, seen=seen, faults=disturber.done, starts=fleet.starts,
            left_uploads=await leftovers(store), settling=settling, losses=losses(users.asked, seen),
        )  # fmt: skip


def _about(options: argparse.Namespace) -> dict[str, Any]:
    commit = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return {
        "commit": subprocess.run(commit, capture_output=True, text=True, check=False).stdout.strip(),
        "seconds": options.seconds,
        "seed": options.seed,
    }


if __name__ == "__main__":
    sys.exit(main())
