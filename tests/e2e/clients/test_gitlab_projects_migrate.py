"""gitlab-projects-migrate, a command that moves whole groups, between two Crossdocks."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.clients import installed
from tests.support.groups import group, group_archive
from tests.support.migration import Api, archive_of, issues_of
from tests.support.projects import files
from tests.support.restarts import Restarted

GROUPS = (
    group(1, path="fleet", name="The fleet", description="of ships", odd=[1]),
    group(2, 1, "north", description="up"),
    group(3, 2, "deep", visibility_level=0),
    group(4, 1, "south"),
)
RELATIONS = {
    (1, "labels"): [b'{"title":"urgent","color":"#ff0000"}', b'{"title":"later"}'],
    (2, "milestones"): [b'{"title":"one","iid":1}'],
    (3, "boards"): [b'{"name":"b","lists":[{"list_type":"closed"}]}'],
}
PROJECTS = {"fleet/top": 1, "fleet/north/a": 2, "fleet/north/deep/b": 3, "fleet/south/c": 4}
OPTIONS = ("--no-color", "--confirm")

Tree = Mapping[str, tuple[str, str, Mapping[str, bytes]]]


@dataclass(frozen=True, slots=True)
class Servers:
    """Two standalones, and the folder of what belongs to neither."""

    source: Restarted
    target: Restarted
    folder: Path


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed("gitlab-projects-migrate==6.9.0", tmp_path_factory.mktemp("gitlab-projects-migrate"))


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    with ExitStack() as resources:
        source, target = (Restarted(tmp_path / name, resources) for name in ("source", "target"))
        source.wait()
        target.wait()
        yield Servers(source, target, tmp_path)


def migrate(home: Path, servers: Servers, before: str, after: str) -> str:
    """Move a group, with all below it, and give what was printed."""
    source, target = servers.source.system, servers.target.system
    program = str(home / "bin" / "gitlab-projects-migrate")
    done = subprocess.run(
        [program, *OPTIONS, "--", f"{source.url}/{before}", f"{target.url}/{after}"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(home),
            "HOME": str(servers.folder),
            "GITLAB_INPUT_TOKEN": source.token,
            "GITLAB_OUTPUT_TOKEN": target.token,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tree(server: Restarted, full_path: str) -> Tree:
    """Name, description and relations of each group, by its path below the one that is exported."""
    found = files(Api(server).export_group(full_path))
    documents = {
        each: json.loads(found[f"tree/groups/{each}.json"])
        for each in map(int, found["tree/groups/_all.ndjson"].split())
    }
    paths: dict[int, str] = {}
    for number, document in documents.items():
        above = paths.get(document["parent_id"])
        paths[number] = "." if above is None else f"{above}/{document['path']}"
    return {
        paths[number]: (
            document["name"],
            document["description"],
            {
                name.rpartition("/")[2]: data
                for name, data in found.items()
                if name.startswith(f"tree/groups/{number}/") and data and not name.endswith("members.ndjson")
            },
        )
        for number, document in documents.items()
    }


def test_a_whole_group_is_moved(home: Path, servers: Servers) -> None:
    source, target = Api(servers.source), Api(servers.target)
    source.import_group(group_archive(GROUPS, RELATIONS), path="fleet", name="The fleet")
    for path, number in PROJECTS.items():
        source.start_import(path, archive_of(number))
    while source.states(PROJECTS) != {"finished": len(PROJECTS)}:
        pass  # each look takes as long as it has to
    target.make_group("home")

    printed = migrate(home, servers, "fleet", "home/fleet")

    assert printed.count("Migrated project: ") == len(PROJECTS)
    assert tree(servers.target, "home/fleet") == tree(servers.source, "fleet")
    assert set(tree(servers.source, "fleet")) == {".", "./north", "./north/deep", "./south"}
    moved = {each["path_with_namespace"]: each["id"] for each in target.pages("/projects")}
    assert set(moved) == {f"home/{path}" for path in PROJECTS}
    assert {path: target.issues(number) for path, number in moved.items()} == {
        f"home/{path}": issues_of(number) for path, number in PROJECTS.items()
    }
