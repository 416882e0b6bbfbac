"""git as a program, and small repositories made with it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support.prerequisites import program

_IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "a"), ("EMAIL", "a@example.com"), ("DATE", "2026-01-01T00:00:00Z"))
}
ENVIRONMENT = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, **_IDENTITY}


def git(folder: Path, *arguments: str, given: bytes = b"") -> str:
    """Run git in a folder, and give what it prints."""
    done = subprocess.run(
        [program("git"), *arguments],
        cwd=folder, env=ENVIRONMENT, input=given, check=True, capture_output=True,
    )  # fmt: skip
    return done.stdout.decode().strip()


def make_repository(
    root: Path, name: str = "one.git", *, object_format: str = "sha1", files: dict[str, bytes] | None = None
) -> Path:
    """A bare repository below ``root``: commits on main, a branch, and two tags, one of them annotated."""
    work, bare = root / f".{name}", root / name
    work.mkdir(parents=True)
    git(work, "init", "-q", f"--object-format={object_format}", "-b", "main")
    for number, (path, data) in enumerate({"a.txt": b"one\n", **(files or {})}.items()):
        (work / path).write_bytes(data)
        git(work, "add", path)
        git(work, "commit", "-qm", f"number {number}")
    git(work, "tag", "v1")
    git(work, "tag", "-am", "two", "v2")
    git(work, "branch", "feature/x")
    git(work, "commit", "-q", "--allow-empty", "-m", "last")
    git(root, "clone", "-q", "--bare", str(work), str(bare))
    return bare


def references(repository: Path) -> dict[str, str]:
    """The ids of the objects of all references, by their names, and that of HEAD."""
    listed = git(repository, "for-each-ref", "--format=%(refname) %(objectname)")
    found = dict(line.split(" ") for line in listed.splitlines())
    return {"HEAD": git(repository, "rev-parse", "HEAD"), **found}


def add_references(repository: Path, count: int) -> None:
    """Add tags to the commit of HEAD, at once, by the file of packed references."""
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "pack-refs", "--all")
    packed = repository / "packed-refs"
    lines = packed.read_text().splitlines(keepends=True)
    lines = [line for line in lines if not line.startswith("#")]
    lines += [f"{commit} refs/tags/many/{number:06}\n" for number in range(count)]
    packed.write_text("".join(lines))
