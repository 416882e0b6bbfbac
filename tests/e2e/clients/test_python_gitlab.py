from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import gitlab
import pytest
from gitlab.v4.objects import Project, ProjectExport, ProjectImport

from tests.support.contents import assert_accepted_by_gnu, assert_round_trip, contents
from tests.support.gitbeaker import EXPORTING
from tests.support.samples.table import archive
from tests.support.system import System
from tests.support.waiting import eventually


def _import(gl: gitlab.Gitlab, source: Path, path: str, **options: Any) -> Project:
    """Upload an archive; the project that is being imported, not looked up."""
    with source.open("rb") as file:
        output = gl.projects.import_project(file, path, **options)
    assert isinstance(output, dict)
    assert output["import_status"] == "scheduled"
    return gl.projects.get(output["id"], lazy=True)


def _ended(project: Project) -> ProjectImport:
    return eventually(project.imports.get, lambda status: status.import_status in {"finished", "failed"})


def _imported(gl: gitlab.Gitlab, source: Path, path: str, **options: Any) -> Project:
    project = _import(gl, source, path, **options)
    assert (status := _ended(project)).import_status == "finished", status.import_error
    return gl.projects.get(project.id)


def _exported(project: Project, **data: Any) -> ProjectExport:
    export = project.exports.create(data)
    assert export.message == "202 Accepted"

    def refreshed() -> str:
        export.refresh()
        return str(export.export_status)

    assert eventually(refreshed, lambda status: status not in EXPORTING) == "finished"
    return export


def _downloaded(project: Project, target: Path) -> Path:
    with target.open("wb") as file:
        _exported(project).download(streamed=True, action=file.write)
    return target


@pytest.mark.parametrize("source", ["empty_relations", "every_relation"])
def test_a_project_goes_in_out_and_in_again_unchanged(
    gl: gitlab.Gitlab, name: str, tmp_path: Path, source: str
) -> None:
    first = _downloaded(_imported(gl, archive(source), name, namespace="root"), tmp_path / "1.tar.gz")
    second = _downloaded(_imported(gl, first, f"{name}-again"), tmp_path / "2.tar.gz")
    assert_round_trip(contents(archive(source)), contents(first))
    assert_accepted_by_gnu(first)
    assert first.read_bytes() == second.read_bytes()


def test_the_ways_to_download_give_the_same_bytes(gl: gitlab.Gitlab, name: str, small_archive: Path) -> None:
    export = _exported(_imported(gl, small_archive, name))
    whole, streamed = export.download(), bytearray()
    assert isinstance(whole, bytes)
    export.download(streamed=True, action=streamed.extend, chunk_size=65536)
    pieces = export.download(iterator=True)
    assert isinstance(pieces, Iterator)
    assert bytes(streamed) == b"".join(pieces) == whole


def test_the_command_line_downloads_an_export(
    gl: gitlab.Gitlab, system: System, name: str, small_archive: Path, tmp_path: Path
) -> None:
    project = _imported(gl, small_archive, name)
    _exported(project)
    connection = ("--server-url", system.url, "--private-token", system.token)
    command = ("project-export", "download", "--project-id", str(project.id))
    with (tmp_path / "out.tar.gz").open("wb") as file:
        subprocess.run([sys.executable, "-m", "gitlab", *connection, *command], stdout=file, check=True)
    assert_round_trip(contents(small_archive), contents(tmp_path / "out.tar.gz"))


def test_a_queued_export_is_never_told_as_none(gl: gitlab.Gitlab, name: str, small_archive: Path) -> None:
    project = _imported(gl, small_archive, name)
    assert project.exports.get().export_status == "none"
    project.exports.create()
    assert project.exports.get().export_status in {"queued", "started", "finished"}


def test_name_namespace_and_override_params_are_what_the_project_gets(
    gl: gitlab.Gitlab, name: str, small_archive: Path
) -> None:
    group = gl.groups.create({"name": f"g {name}", "path": f"g-{name}", "visibility": "internal"})
    overrides = {"description": "overridden", "visibility": "internal"}
    options = {"name": "Another Name", "namespace": str(group.id), "override_params": overrides}
    project = _imported(gl, small_archive, name, **options)
    assert (project.name, project.path_with_namespace) == ("Another Name", f"g-{name}/{name}")
    assert (project.description, project.visibility) == ("overridden", "internal")
    assert gl.projects.get(f"g-{name}/{name}").id == project.id


def test_an_overwritten_project_stays_until_the_new_one_takes_its_path(
    gl: gitlab.Gitlab, name: str, small_archive: Path, long_archive: Path, tmp_path: Path
) -> None:
    old = _imported(gl, small_archive, name)
    new = _import(gl, long_archive, name, overwrite=True)
    assert new.id != old.id

    def seen() -> tuple[int, str]:
        # In this order: what is not yet finished after the look was not so at the look.
        return gl.projects.get(f"root/{name}").id, new.imports.get().import_status

    def ended(look: tuple[int, str]) -> bool:
        serving, status = look
        assert serving in {old.id, new.id}
        assert status == "finished" or serving == old.id
        return status in {"finished", "failed"}

    eventually(seen, ended)
    assert gl.projects.get(f"root/{name}").id == new.id
    assert_round_trip(
        contents(long_archive),
        contents(_downloaded(gl.projects.get(f"root/{name}"), tmp_path / "new.tar.gz")),
    )


def test_an_overwrite_that_fails_leaves_the_project_as_it_was(
    gl: gitlab.Gitlab, name: str, small_archive: Path, tmp_path: Path
) -> None:
    old = _imported(gl, small_archive, name)
    (tmp_path / "broken.tar.gz").write_bytes(small_archive.read_bytes()[:-1000])
    status = _ended(_import(gl, tmp_path / "broken.tar.gz", name, overwrite=True))
    assert status.import_status == "failed"
    assert "cut short" in status.import_error
    assert gl.projects.get(f"root/{name}").id == old.id
    assert_round_trip(contents(small_archive), contents(_downloaded(old, tmp_path / "old.tar.gz")))


def test_a_path_that_is_taken_is_an_import_error(gl: gitlab.Gitlab, name: str, small_archive: Path) -> None:
    _imported(gl, small_archive, name)
    with pytest.raises(gitlab.GitlabImportError, match="Path has already been taken") as caught:
        _import(gl, small_archive, name)
    assert caught.value.response_code == 400


def test_a_namespace_that_is_not_there_is_an_import_error(
    gl: gitlab.Gitlab, name: str, small_archive: Path
) -> None:
    with pytest.raises(gitlab.GitlabImportError, match="404 Namespace Not Found") as caught:
        _import(gl, small_archive, name, namespace=f"no-{name}")
    assert caught.value.response_code == 404


def test_a_project_that_is_not_there_is_a_get_error(gl: gitlab.Gitlab, name: str) -> None:
    for look in (gl.projects.get, lambda path: gl.projects.get(path, lazy=True).imports.get()):
        with pytest.raises(gitlab.GitlabGetError, match="404 Project Not Found") as caught:
            look(f"root/{name}")
        assert caught.value.response_code == 404


def test_a_download_of_what_was_never_exported_is_a_get_error(gl: gitlab.Gitlab, name: str) -> None:
    project = gl.projects.create({"name": name})
    with pytest.raises(gitlab.GitlabGetError, match="404 Not found or has expired") as caught:
        project.exports.get().download()
    assert caught.value.response_code == 404


def test_a_wrong_token_is_an_authentication_error(system: System, small_archive: Path) -> None:
    with gitlab.Gitlab(system.url, private_token="glpat-wrong") as stranger:
        for call in (stranger.auth, lambda: _import(stranger, small_archive, f"p-{uuid4().hex}")):
            with pytest.raises(gitlab.GitlabAuthenticationError, match="401 Unauthorized") as caught:
                call()
            assert caught.value.response_code == 401


def test_an_oauth_token_header_is_a_token_as_well(system: System) -> None:
    with gitlab.Gitlab(system.url, oauth_token=system.token) as client:
        client.auth()
        assert client.user is not None
        assert client.user.username == "root"


def test_a_list_of_many_pages_has_every_project_once(gl: gitlab.Gitlab, name: str) -> None:
    made = [gl.projects.create({"name": f"{name}-{n}"}).id for n in range(5)]
    found = gl.projects.list(iterator=True, per_page=2, search=name, membership=True, simple=True)
    assert sorted(project.id for project in found) == made
    page = gl.projects.list(iterator=True, per_page=2, search=name)
    assert (page.total, page.total_pages, page.next_page, page.prev_page) == (5, 3, 2, None)
    assert gl.projects.list(get_all=False, per_page=2, page=4, search=name) == []
    assert {project.id for project in gl.projects.list(get_all=True, per_page=2)} >= set(made)
