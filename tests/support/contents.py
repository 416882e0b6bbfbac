"""What is in an archive, read by Python's own tarfile: the judge of round trips."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.prerequisites import gnu_tar, program

_OURS = {"VERSION"}


@dataclass(frozen=True, slots=True)
class Contents:
    """The lines of each relation, and the SHA-256 of every other file."""

    relations: Mapping[str, list[bytes]]
    blobs: Mapping[str, str]

    @property
    def names(self) -> set[str]:
        """The names of all files."""
        return {*self.relations, *self.blobs}


def contents(archive: Path) -> Contents:
    """Read an archive, leaving out what an import drops."""
    relations, blobs = {}, {}
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if not member.isfile():
                continue
            data = tar.extractfile(member)
            assert data is not None
            if _dropped(name, data.read(4)):
                continue
            data.seek(0)
            if name.startswith("tree/project/") and name.endswith(".ndjson"):
                relations[name] = data.read().splitlines(keepends=True)
            else:
                blobs[name] = hashlib.file_digest(data, "sha256").hexdigest()  # type: ignore[arg-type]  # a reader of bytes
    return Contents(relations, blobs)


def _dropped(name: str, begin: bytes) -> bool:
    return name.rpartition("/")[2].startswith("._") and begin == b"\0\5\26\7"


def assert_round_trip(
    before: Contents,
    after: Contents,
    *,
    failed: Collection[tuple[str, int]] = (),
    left_out: Collection[str] = (),
    replaced: Collection[str] = (),
) -> None:
    """Everything is as it was, but failed lines, blank lines, and named files left out or replaced."""
    assert after.names == before.names - set(left_out)
    for name, lines in before.relations.items():
        relation = name.removeprefix("tree/project/").removesuffix(".ndjson")
        kept = [line for n, line in enumerate(lines) if line.strip() and (relation, n) not in failed]
        assert after.relations[name] == kept, name
    ours = _OURS | set(left_out) | set(replaced)
    assert {n: d for n, d in after.blobs.items() if n not in ours} == {
        n: d for n, d in before.blobs.items() if n not in ours
    }


def assert_accepted_by_gnu(archive: Path) -> list[str]:
    """GNU tar and gzip take the archive without a word; give tar's listing."""
    for command in ([program("gzip"), "-t", str(archive)], [gnu_tar(), "-tzf", str(archive)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), command
    return done.stdout.splitlines()
