"""Repositories of the GitHub for tests whose commits are there: git serves them beside the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.support.git import git, make_repository
from tests.support.github.github import GitHub
from tests.support.github.issues import Pull
from tests.support.github.repositories import Repository
from tests.support.github.samples import everything


def with_commits(repository: Repository, root: Path, files: Mapping[str, bytes] | None = None) -> Path:
    """Make the bare repository, with the heads of its pull requests as GitHub keeps them.

    Each head is a commit of its own, which no branch has.
    """
    bare = make_repository(root / repository.owner.login, f"{repository.name}.git", files=dict(files or {}))
    tree = git(bare, "rev-parse", "main^{tree}")
    main = git(bare, "rev-parse", "main")
    for pull in repository.pulls:
        head = git(bare, "commit-tree", tree, "-p", main, "-m", f"change {pull.number}")
        git(bare, "update-ref", f"refs/pull/{pull.number}/head", head)
        git(bare, "update-ref", f"refs/pull/{pull.number}/merge", head)
        _set(pull, head=head, base=main)
    return bare


def _set(pull: Pull, *, head: str, base: str) -> None:
    pull.head, pull.base = replace(pull.head, sha=head), replace(pull.base, sha=base)


def cloned_everything(github: GitHub, root: Path) -> Repository:
    """Put octo/everything on a GitHub, with commits and a wiki."""
    repository = everything(github)
    with_commits(repository, root)
    make_repository(
        root / repository.owner.login, f"{repository.name}.wiki.git", files={"home.md": b"# Home\n"}
    )
    return repository
