"""The Postgres of a standalone: in any folder, after any end of the process before."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
import structlog

from services.standalone import postgres
from services.standalone.cluster import Programs, find_programs, make_cluster
from services.standalone.data_folder import owned
from services.standalone.errors import DataFolderInUse, EmbeddedPostgresFailed
from services.standalone.postgres import embedded_postgres, standalone_postgres
from services.standalone.postmaster import is_server_of, read_postmaster
from tests.support.postgres import PostgresServer
from tests.support.waiting import until

MINUTE = timedelta(minutes=1)
NONE = timedelta(0)
PLAIN = "postgres"
ODD = """it's $HOME & "ü", 50%41\n(x)"""


@pytest.fixture(scope="module")
def programs() -> Programs:
    return find_programs()


@contextmanager
def _open_folder() -> Iterator[Path]:
    """A folder that others may pass: Postgres runs as somebody else where we are root.

    pytest closes its own to others whenever it begins.
    """
    with tempfile.TemporaryDirectory(prefix="crossdock-postgres-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def made(programs: Programs) -> Iterator[Path]:
    """A cluster, made over what an earlier process left when the power was cut in the middle of it."""
    with _open_folder() as place:
        unfinished = place / "postgres.new"
        unfinished.mkdir()
        (unfinished / "PG_VERSION").write_text("18\n")
        asyncio.run(make_cluster(programs, place / PLAIN))
        yield place / PLAIN


@pytest.fixture
def place() -> Iterator[Path]:
    with _open_folder() as opened:
        yield opened


@pytest.fixture
def folder(made: Path, place: Path) -> Path:
    """A cluster of the test's own."""
    return _copied(made, place / PLAIN)


def _copied(made: Path, to: Path) -> Path:
    subprocess.run(["cp", "-a", made, to], check=True)
    return to


@contextmanager
def _running(programs: Programs, *command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of whom Postgres runs as, which has to ask it whether it is one of its own."""
    process = subprocess.Popen(command, cwd="/", **programs.owner())
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _served(folder: Path, *, patience: timedelta = MINUTE) -> AbstractAsyncContextManager[str]:
    return embedded_postgres(folder, patience=patience)


async def _answers(url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval("SELECT true"))
    finally:
        await connection.close()


def _never_ready(folder: Path) -> Path:
    """Have the server recover from an archive that has nothing yet, until the file is there that is given."""
    (folder / "recovery.signal").touch()
    end = folder.parent / "end of recovery"
    command = f'while [ ! -e "{end}" ]; do sleep 0.02; done; exit 1'
    with (folder / "postgresql.conf").open("a") as settings:
        settings.write(f"hot_standby = off\nrestore_command = '{command}'\n")
    return end


@pytest.mark.parametrize("name", [ODD, "long" * 60], ids=["odd", "long"])
async def test_a_server_runs_in_a_folder_of_any_name_also_by_a_link(
    name: str, made: Path, place: Path
) -> None:
    (place / name).mkdir()
    _copied(made, place / name / PLAIN)
    link = place / "link"
    link.symlink_to(place / name)
    for data in (place / name, link):
        async with _served(data / PLAIN) as url:
            assert await _answers(url)
        assert read_postmaster(data / PLAIN) is None


async def test_a_process_that_has_the_number_of_a_server_before_is_left_alone(
    programs: Programs, folder: Path
) -> None:
    with _running(programs, "sleep", "600") as stranger:
        (folder / "postmaster.pid").write_text(
            f"{stranger.pid}\n{folder}\n1700000000\n5432\n.\n\n  1234 5\nready   \n"
        )
        async with _served(folder) as url:
            assert await _answers(url)
        assert stranger.poll() is None


def test_a_server_of_another_folder_is_a_stranger(postgres_server: PostgresServer, tmp_path: Path) -> None:
    own = postgres_server.log.parent / "data"
    assert is_server_of(own, postgres_server.pid)
    assert not is_server_of(tmp_path, postgres_server.pid)
    assert not is_server_of(own, os.getpid())


@pytest.mark.parametrize("content", ["", "999999999\n"], ids=["nothing", "nobody"])
async def test_a_file_of_a_server_that_says_nothing_useful_keeps_no_server_from_starting(
    folder: Path, content: str
) -> None:
    (folder / "postmaster.pid").write_text(content)
    async with _served(folder) as url:
        assert await _answers(url)


async def test_a_server_that_a_killed_process_left_is_stopped_and_another_one_runs(
    programs: Programs, folder: Path
) -> None:
    options = ("-c", "unix_socket_directories=.", "-c", "listen_addresses=")
    with _running(programs, programs.folder / "postgres", "-D", folder, *options) as left:
        await until(lambda: (found := read_postmaster(folder)) is not None and found.is_ready)
        async with _served(folder) as url:
            assert left.wait() == 0
            assert await _answers(url)


async def test_a_recovery_is_waited_for_and_told_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_TELL_EVERY", NONE)
    end = _never_ready(folder)
    with structlog.testing.capture_logs() as logs:
        context = _served(folder)
        starting = asyncio.ensure_future(context.__aenter__())
        await until(lambda: any("database system was shut down" in log["says"] for log in logs))
        end.touch()
        assert await _answers(await starting)
        await context.__aexit__(None, None, None)
    assert {log["event"] for log in logs} == {"postgres_starting"}


async def test_a_recovery_is_not_waited_for_for_ever_and_its_server_is_stopped(folder: Path) -> None:
    _never_ready(folder)
    with pytest.raises(EmbeddedPostgresFailed, match="it was not ready in 0 seconds"):
        async with _served(folder, patience=NONE):
            pass
    assert read_postmaster(folder) is None


async def test_who_is_told_to_stop_while_the_server_recovers_stops_it(folder: Path) -> None:
    _never_ready(folder)
    starting = asyncio.ensure_future(_served(folder).__aenter__())
    found = await until(lambda: read_postmaster(folder))
    assert found
    assert is_server_of(folder, found.pid)
    starting.cancel()
    await asyncio.wait([starting])
    assert starting.cancelled()
    assert not is_server_of(folder, found.pid)


async def test_a_server_that_does_not_start_says_why_in_one_sentence(folder: Path) -> None:
    with (folder / "postgresql.conf").open("a") as settings:
        settings.write("shared_buffers = 'many'\n")
    with pytest.raises(EmbeddedPostgresFailed, match="contains errors") as failed:
        async with _served(folder):
            pass
    assert "\n" not in str(failed.value)


async def test_a_cluster_of_another_version_is_told_of(folder: Path) -> None:
    (folder / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedPostgresFailed, match="it is of Postgres 12"):
        async with _served(folder):
            pass


async def test_a_command_shares_the_server_of_who_owns_the_folder_or_runs_one(folder: Path) -> None:
    data = folder.parent
    with owned(data):
        with pytest.raises(DataFolderInUse):
            async with standalone_postgres(data, patience=NONE):
                pass
        async with _served(folder), standalone_postgres(data, patience=NONE) as url:
            assert await _answers(url)
    async with standalone_postgres(data, patience=MINUTE) as url:
        assert await _answers(url)
    assert read_postmaster(folder) is None
