"""What clients of GitLab have for imports from GitHub, as they are published."""

from __future__ import annotations

from pathlib import Path

import gitlab
import pytest
from gitlab.exceptions import GitlabHttpError

from tests.support.contents import contents
from tests.support.gitbeaker import Gitbeaker
from tests.support.github.hub import Hub
from tests.support.waiting import eventually

ENDED = {"finished", "failed"}
STAGES = {"single_endpoint_notes_import": True, "attachments_import": True}


def test_python_gitlab_imports_a_repository_of_github(
    gl: gitlab.Gitlab, hub: Hub, name: str, tmp_path: Path
) -> None:
    result = gl.projects.import_github(
        hub.token, hub.number, "root", new_name=name, github_hostname=hub.address, optional_stages=STAGES
    )
    assert isinstance(result, dict)
    assert (result["full_path"], result["import_status"]) == (f"/root/{name}", "scheduled")

    project = eventually(lambda: gl.projects.get(result["id"]), lambda found: found.import_status in ENDED)
    assert (project.import_status, project.import_type, project.import_error) == ("finished", "github", None)
    status = project.imports.get()
    assert status.stats["fetched"] == status.stats["imported"]
    assert status.stats["fetched"]["issue"] == 2
    assert min(branch.name for branch in project.branches.list(get_all=True)) == "feature/x"

    export = project.exports.create()
    eventually(lambda: (export.refresh(), export.export_status)[1], lambda state: state == "finished")
    with (tmp_path / "out.tar.gz").open("wb") as file:
        export.download(streamed=True, action=file.write)
    assert "project.bundle" in contents(tmp_path / "out.tar.gz").blobs


def test_python_gitlab_shows_why_a_repository_is_refused(gl: gitlab.Gitlab, hub: Hub, name: str) -> None:
    with pytest.raises(GitlabHttpError) as refused:
        gl.projects.import_github("ghp_none", hub.number, "root", new_name=name, github_hostname=hub.address)
    assert refused.value.response_code == 422
    assert b"read access to the repository" in (refused.value.response_body or b"")


def test_gitbeaker_imports_and_cancels_a_repository_of_github(
    gitbeaker: Gitbeaker, hub: Hub, name: str
) -> None:
    options = {"newName": name, "githubHostname": hub.address, "optionalStages": {"attachments_import": True}}
    made = gitbeaker("Import.importGithubRepository", hub.token, hub.number, "root", options)
    assert (made["full_path"], made["import_status"]) == (f"/root/{name}", "scheduled")
    status = gitbeaker.ended(made["id"])
    assert (status["import_type"], status["stats"]["imported"]["pull_request"]) == ("github", 4)

    hub.github.slow_down("/milestones", seconds=600)
    waiting = gitbeaker(
        "Import.importGithubRepository", hub.token, hub.number, "root", options | {"newName": f"{name}-2"}
    )
    canceled = gitbeaker("Import.cancelGithubRepositoryImport", waiting["id"])
    assert canceled["import_status"] == "canceled"
    status_code, _ = gitbeaker.refused("Import.importGithubGists", hub.token)
    assert status_code == 403
