from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from services.cli.demo.archive import write_archive
from services.cli.demo.contents import differences, read_contents
from services.cli.errors import ServerUnreachable
from services.cli.partial_file import open_partial_file
from tests.support.background import background
from tests.support.preloaded import completed
from tests.support.projects import project
from tests.support.receivers import receiving
from tests.support.samples.table import archive as sample
from tests.support.system import System, answers

ROOT = Path(__file__).parents[2]
WITHOUT_OURS = {name: value for name, value in os.environ.items() if not name.startswith("CROSSDOCK_")}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "services.cli", *arguments]


class CommandLine:
    """Runs ``crossdock`` as a user would."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = WITHOUT_OURS | environment

    def __call__(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[bytes]:
        done = completed(arguments, cwd=ROOT, env=self._environment)
        assert done.returncode == code, done.stderr.decode()
        assert b"Traceback" not in done.stderr
        return done


@pytest.fixture
def crossdock(standalone_system: System) -> CommandLine:
    return CommandLine({"CROSSDOCK_URL": standalone_system.url, "CROSSDOCK_TOKEN": standalone_system.token})


@pytest.fixture
def anywhere(system: System) -> CommandLine:
    """The command against either form."""
    return CommandLine({"CROSSDOCK_URL": system.url, "CROSSDOCK_TOKEN": system.token})


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    (folder / "repository").mkdir()
    write_archive(folder / "made.tar.gz", folder / "repository", issues=50)
    return folder / "made.tar.gz"


def test_what_is_imported_is_exported(crossdock: CommandLine, archive: Path, tmp_path: Path) -> None:
    done = crossdock("import", str(archive), "--path", "root/round-trip", "--name", "Round trip")
    assert done.stdout.decode().endswith(": finished\n")
    crossdock("export", "root/round-trip", "-o", str(tmp_path / "out.tar.gz"))
    before, after = read_contents(archive), read_contents(tmp_path / "out.tar.gz")
    assert list(differences(before, after, failed=())) == []
    assert [file.name for file in tmp_path.iterdir()] == ["out.tar.gz"]


def test_a_part_is_finished_without_a_new_export(
    crossdock: CommandLine, standalone_system: System, archive: Path, tmp_path: Path
) -> None:
    crossdock("import", str(archive), "--path", "parted")
    target, whole = tmp_path / "out.tar.gz", tmp_path / "whole.tar.gz"
    crossdock("export", "root/parted", "-o", str(whole))
    data = whole.read_bytes()
    api = f"{standalone_system.url}/api/v4"
    head = requests.head(
        f"{api}/projects/root%2Fparted/export/download",
        headers={"PRIVATE-TOKEN": standalone_system.token},
        timeout=60,
    )
    command = f"{api}\nroot/parted\n"
    with suppress(ServerUnreachable), open_partial_file(target, command) as part:
        part.name(head.headers["ETag"])
        part.file.write(data[:5000])
        raise ServerUnreachable("the connection broke")
    told = crossdock("export", "root/parted", "-o", str(target)).stderr.decode()
    assert "Downloading the rest: " in told
    assert "Exporting" not in told
    assert target.read_bytes() == data
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.tar.gz", "whole.tar.gz"]


def test_an_export_to_stdout_is_the_archive_and_nothing_else(
    crossdock: CommandLine, archive: Path, tmp_path: Path
) -> None:
    crossdock("import", str(archive), "--path", "stdout")
    (tmp_path / "out.tar.gz").write_bytes(crossdock("export", "root/stdout", "-o", "-").stdout)
    assert read_contents(tmp_path / "out.tar.gz").lines.keys() == read_contents(archive).lines.keys()


def test_a_failed_import_is_exit_code_1(crossdock: CommandLine, tmp_path: Path, archive: Path) -> None:
    (tmp_path / "cut.tar.gz").write_bytes(archive.read_bytes()[:5000])
    done = crossdock("import", str(tmp_path / "cut.tar.gz"), "--path", "cut", code=1)
    assert b"crossdock: the import of root/cut failed: " in done.stderr
    assert b"import error" in crossdock("status", "root/cut").stdout


def test_lines_that_were_repaired_are_refused_no_more(crossdock: CommandLine, tmp_path: Path) -> None:
    archive, refused = tmp_path / "one.tar.gz", tmp_path / "refused.jsonl"
    archive.write_bytes(project(labels=b'{"title":"t"}\n[]\n'))
    crossdock("import", str(archive), "--path", "repaired")
    assert (
        b"refused still  1 line: crossdock quarantine root/repaired\n"
        in crossdock("status", "root/repaired").stdout
    )
    crossdock("quarantine", "root/repaired", "-o", str(refused))
    refused.write_bytes(refused.read_bytes().replace(b'"record":"[]"', b'"record":"{\\"title\\":\\"u\\"}"'))
    crossdock("quarantine", "root/repaired", "--import", str(refused))
    repaired = crossdock("status", "root/repaired")
    assert b"left out  1\nrefused still  none: repaired, or discarded\n" in repaired.stdout
    assert repaired.stderr == b""


def test_a_file_that_is_no_export_is_told_as_such(crossdock: CommandLine, tmp_path: Path) -> None:
    source = tmp_path / "source.tar.gz"
    with tarfile.open(source, "w:gz") as tar:
        tar.add(__file__, "source.py")
    done = crossdock("import", str(source), "--path", "source", code=1)
    assert b"(VERSION is missing): the file is no export of a GitLab project" in done.stderr


def test_a_namespace_that_is_not_there_is_told_as_the_begin_of_the_path(
    crossdock: CommandLine, archive: Path
) -> None:
    done = crossdock("import", str(archive), "--path", "nobody/one", code=3)
    assert b"Namespace Not Found: --path begins with no group or user " in done.stderr


def test_failed_relations_are_listed(crossdock: CommandLine) -> None:
    done = crossdock("import", str(sample("invalid_milestone")), "--path", "invalid")
    assert b"milestones  1  " in done.stderr
    assert b", 1 left out" in done.stderr


def test_a_taken_path_is_exit_code_3_and_overwrite_takes_it(crossdock: CommandLine, archive: Path) -> None:
    crossdock("import", str(archive), "--path", "taken")
    done = crossdock("import", str(archive), "--path", "taken", code=3)
    assert b"already been taken: name another --path, or give --overwrite (HTTP 400)" in done.stderr
    crossdock("import", str(archive), "--path", "taken", "--overwrite")


def test_no_wait_returns_at_once(crossdock: CommandLine, archive: Path) -> None:
    done = crossdock("import", str(archive), "--path", "later", "--no-wait")
    assert b"root/later" in done.stdout
    assert b"Importing" not in done.stderr


def test_an_overridden_description_is_exported(crossdock: CommandLine, archive: Path, tmp_path: Path) -> None:
    crossdock("import", str(archive), "--path", "described", "--override", "description=Another")
    crossdock("export", "root/described", "-o", str(tmp_path / "out.tar.gz"))
    document = subprocess.run(
        ["tar", "-xOzf", str(tmp_path / "out.tar.gz"), "./tree/project.json"], capture_output=True, check=True
    ).stdout
    assert b'"description":"Another"' in document


def test_every_result_is_one_document_with_json(
    crossdock: CommandLine, archive: Path, tmp_path: Path
) -> None:
    imported = document(crossdock("import", str(archive), "--path", "documented", "--json"))
    assert (imported["state"], imported["project"]["path_with_namespace"]) == ("finished", "root/documented")
    target = tmp_path / "out.tar.gz"
    exported = document(crossdock("export", "root/documented", "-o", str(target), "--json"))
    assert exported["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert exported["bytes"] == target.stat().st_size
    status = document(crossdock("status", "root/documented", "--json"))
    assert (status["import"]["state"], status["export"]["state"]) == ("finished", "finished")


def test_a_job_is_listed_shown_and_not_canceled_once_it_has_ended(
    anywhere: CommandLine, archive: Path
) -> None:
    imported = document(anywhere("import", str(archive), "--path", "jobs", "--json"))
    listed = document(anywhere("jobs", "--project", "root/jobs", "--kind", "import", "--json"))["jobs"]
    assert [(job["id"], job["state"]) for job in listed] == [(imported["job"], "finished")]
    shown = document(anywhere("status", "--job", str(imported["job"]), "--failures", "--json"))
    assert shown["job"]["progress"]["relations"]["issues"]["lines"] == 50
    assert shown["failed_relations"] == []
    anywhere("cancel", str(imported["job"]), code=3)


def test_a_retry_that_must_fail_again_is_refused_and_says_why(
    anywhere: CommandLine, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "cut.tar.gz").write_bytes(archive.read_bytes()[:5000])
    failed = document(anywhere("import", str(tmp_path / "cut.tar.gz"), "--path", "again", "--json", code=1))
    refused = document(anywhere("retry", str(failed["job"]), "--wait", "--json", code=3))
    assert refused["error_code"] == "retry_pointless"
    assert "cut short" in refused["error"]


def test_all_failures_are_told_where_gitlab_tells_a_hundred(anywhere: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "bad.tar.gz").write_bytes(project(issues=b"[]\n" * 250))
    anywhere("import", str(tmp_path / "bad.tar.gz"), "--path", "bad")
    told = document(anywhere("status", "root/bad", "--json"))["import"]["failed_relations"]
    assert len(told) == 100
    told = document(anywhere("status", "root/bad", "--failures", "--json"))["import"]["failed_relations"]
    assert [failure["line_number"] for failure in told] == list(range(250))


def test_what_was_exported_is_verified(
    anywhere: CommandLine, system: System, archive: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.tar.gz"
    anywhere("import", str(archive), "--path", "verified")
    exported = document(anywhere("export", "root/verified", "-o", str(target), "--json"))
    assert exported["job"]
    ours = f"{system.url}/api/crossdock/v1"
    manifest, keys = f"{ours}/projects/root%2Fverified/export/manifest", f"{ours}/signing-keys"
    by = ("--manifest", manifest, "--public-key", keys)
    verified = document(anywhere("verify", str(target), "--strict", *by, "--json"))
    assert verified["manifest"]["signed"]
    assert verified["sha256"] == exported["sha256"]
    anywhere("verify", str(archive), *by)  # which has the same files, in another order
    assert verified["relations"]["issues"]["lines"] == 50


def document(done: subprocess.CompletedProcess[bytes]) -> Any:
    assert done.stdout.count(b"\n") == 1
    return json.loads(done.stdout)


def test_a_refused_token_is_exit_code_3(standalone_system: System, archive: Path) -> None:
    stranger = CommandLine({"CROSSDOCK_URL": standalone_system.url, "CROSSDOCK_TOKEN": "wrong"})
    assert b"401" in stranger("import", str(archive), "--path", "x", code=3).stderr


def test_an_unknown_project_is_exit_code_3(crossdock: CommandLine) -> None:
    assert b"404" in crossdock("status", "root/unknown", code=3).stderr


def test_a_user_made_beside_a_running_standalone_may_import(
    crossdock: CommandLine, standalone_system: System, archive: Path
) -> None:
    folder = ("--data", str(standalone_system.data))
    crossdock("admin", "create-user", "ada", *folder)
    crossdock("admin", "create-group", "team", "--owner", "ada", *folder)
    token = crossdock("admin", "create-token", "ada", *folder).stdout.decode().strip()
    ada = CommandLine({"CROSSDOCK_URL": standalone_system.url, "CROSSDOCK_TOKEN": token})
    ada("import", str(archive), "--path", "team/hers")
    assert answers(f"{standalone_system.url}/-/readiness")


def test_a_folder_without_a_standalone_is_refused_and_left_as_it_is(
    crossdock: CommandLine, tmp_path: Path
) -> None:
    folder = tmp_path / "crosdock-data"
    done = crossdock("admin", "create-token", "root", "--data", str(folder), code=2)
    assert f"there is no standalone in {folder}".encode() in done.stderr
    assert not folder.exists()


def test_a_second_standalone_over_the_same_folder_is_refused_in_one_sentence(
    standalone_system: System,
) -> None:
    process = standalone_system.processes["standalone"]
    second = CommandLine({})("standalone", "--port", "0", "--data", str(standalone_system.data), code=2)
    told = f"the data folder {standalone_system.data} is in use by process {process.pid}: "
    assert second.stderr.decode().splitlines() == [f"crossdock: {told}end that first, or name another folder"]


def test_the_store_is_checked_beside_a_running_standalone(
    crossdock: CommandLine, standalone_system: System, archive: Path
) -> None:
    crossdock("import", str(archive), "--path", "checked")
    arguments = ("admin", "check", "--read-data", "--data", str(standalone_system.data))
    done = completed(arguments, cwd=ROOT, env=WITHOUT_OURS)
    *findings, summary = done.stdout.decode().splitlines()
    assert summary
    assert all("-lost: " in each for each in findings)  # what other tests have it lack


def test_an_archive_is_imported_from_a_fifo(crossdock: CommandLine, archive: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor(1) as beside:
        beside.submit(fifo.write_bytes, archive.read_bytes())
        done = crossdock("import", str(fifo), "--path", "streamed")
    assert done.stdout.decode().endswith(": finished\n")


@pytest.fixture
def short_path() -> Iterator[Path]:
    """For Postgres' socket, whose path may have about 100 characters."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def test_the_demo_is_exact_and_leaves_nothing(short_path: Path, archive: Path) -> None:
    done = CommandLine({"TMPDIR": str(short_path)})("demo", "--archive", str(archive))
    assert b"The round trip is exact" in done.stderr
    assert list(short_path.iterdir()) == []
    running = (str(each.info["cmdline"]) for each in psutil.process_iter(["cmdline"]))
    assert [line for line in running if short_path.name in line] == []


def test_an_export_is_sent_to_an_address_and_its_digest_told(
    crossdock: CommandLine, archive: Path, tmp_path: Path
) -> None:
    crossdock("import", str(archive), "--path", "root/sent")
    with background() as loop, loop.opened(receiving()) as receiver:
        (tmp_path / "address").write_text(f"{receiver.url}/up?signature=s3cret")
        address = f"@{tmp_path / 'address'}"
        done = crossdock("export", "root/sent", "--upload-url", address, "--method", "POST", "--json")
    (taken,) = receiver.taken
    told = json.loads(done.stdout)
    assert (taken.method, taken.target) == ("POST", "/up?signature=s3cret")
    assert (told["bytes"], told["sha256"]) == (len(taken.body), hashlib.sha256(taken.body).hexdigest())
    assert b"s3cret" not in done.stderr + done.stdout


def test_jobs_are_watched_while_they_change_and_their_logs_read_afterwards(
    crossdock: CommandLine, standalone_system: System, archive: Path
) -> None:
    environment = WITHOUT_OURS | {
        "CROSSDOCK_URL": standalone_system.url, "CROSSDOCK_TOKEN": standalone_system.token,
    }  # fmt: skip
    watching = command("jobs", "--watch", "--kind", "import", "--mine")
    with subprocess.Popen(watching, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        crossdock("import", str(archive), "--path", "root/seen-first")
        lines = iter(watch.stdout.readline, "")
        assert any("root/seen-first" in line for line in lines)  # the list, or the first event after it
        done = json.loads(crossdock("import", str(archive), "--path", "root/watched", "--json").stdout)
        moves = [line.split()[3] for line in iter_until(lines, "import.finished  root/watched")]
        watch.terminate()
    assert moves[-3:] == ["import.queued", "import.started", "import.finished"]
    printed = crossdock("logs", str(done["job"])).stdout.decode().splitlines()
    assert [line.split()[3] for line in printed] == moves[-3:]


def iter_until(lines: Iterator[str], text: str) -> Iterator[str]:
    """The lines of root/watched up to the one with ``text``."""
    for line in lines:
        if "root/watched" in line:
            yield line
        if text in line:
            return


def test_dead_letters_without_a_broker_say_where_those_of_a_standalone_are(crossdock: CommandLine) -> None:
    done = crossdock("dead-letters", "list", "import", code=4)
    assert b": set CROSSDOCK_BROKER_URL. A standalone has none, and its queues are on the page" in done.stderr
