"""Archives as GitLab makes them, of a seed, so that each run has the same; kept for the next run."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.spools import MIB

_LFS_SHARE, _BUNDLE_SHARE = 0.36, 0.13
_LARGE = 8
"""MiB up to which Crossdock puts a blob into a pack, by default."""
_Member = tuple[str, bytes]


def archive(cache: Path, kind: str, size: int, seed: int = 1) -> Path:
    """Give the archive of a kind: ``mixed`` of ``size`` MiB, ``many`` of ``size`` files, or ``tiny``.

    It is in the page cache, so that who reads it first has no disadvantage.
    """
    target = cache / f"{kind}-{size}-{seed}.tar.gz"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        _write(part, _KINDS[kind](size, random.Random(f"{kind} {seed}")))  # noqa: S311  # the same every time
        part.rename(target)
    with target.open("rb") as file:
        while file.read(MIB):
            pass
    return target


def _write(target: Path, members: Iterator[_Member]) -> None:
    """Pack as GitLab does, by gzip; by pigz, which uses all cores, where that is installed."""
    program = shutil.which("pigz") or "gzip"
    with (
        target.open("wb") as out,
        subprocess.Popen([program, "-6n"], stdin=subprocess.PIPE, stdout=out) as gzip,
    ):
        with tarfile.open(fileobj=gzip.stdin, mode="w|", format=tarfile.GNU_FORMAT, bufsize=MIB) as tar:
            for name, data in members:
                info = tarfile.TarInfo(f"./{name}")
                info.size, info.mtime = len(data), 1_700_000_000
                tar.addfile(info, io.BytesIO(data))
        assert gzip.stdin is not None
        gzip.stdin.close()
    if gzip.returncode:
        raise RuntimeError(f"{program} ended with {gzip.returncode}")


def _head(description: str) -> Iterator[_Member]:
    yield "VERSION", b"0.2.4"
    yield "tree/project.json", json.dumps({"description": description, "visibility_level": 0}).encode()


def _mixed(size: int, rng: random.Random) -> Iterator[_Member]:
    """30 % lines, 13 % a bundle, 36 % LFS objects of 9 to 64 MiB, the rest uploads of many sizes."""
    yield from _head("mixed")
    yield from _relations(int(size * MIB * 0.3), rng)
    yield "project.bundle", _bundle(int(size * _BUNDLE_SHARE * MIB), rng)
    count, each = _lfs_shape(size)
    yield from _lfs_objects(count, int(each * MIB), rng)
    left = int(size * MIB * 0.21)
    while left > 0:
        blob = _random(rng, min(int(rng.lognormvariate(12.4, 1.2)) + 1000, 4 * MIB, left))
        left -= len(blob)
        yield f"uploads/{rng.randbytes(16).hex()}/image.png", blob


def _lfs_shape(size: int) -> tuple[int, float]:
    """Give the number of LFS objects, and the MiB of each: large ones, and several where there is room."""
    each = min(64, max(_LARGE + 1, size * 0.06))
    return max(1, round(size * _LFS_SHARE / each)), each


def large_blobs(size: int) -> float:
    """Give the MiB of ``mixed`` that lie in large blobs, which are objects of their own."""
    count, each = _lfs_shape(size)
    bundle = size * _BUNDLE_SHARE
    return count * each + (bundle if bundle > _LARGE else 0)


def _many(count: int, rng: random.Random) -> Iterator[_Member]:
    """Uploads of 4 KiB in folders in no order, as tar finds them in a directory."""
    yield from _head("many")
    for _ in range(count):
        yield f"uploads/{rng.randbytes(16).hex()}/image.png", rng.randbytes(4096)


def _tiny(_: int, rng: random.Random) -> Iterator[_Member]:
    yield from _head("tiny")
    yield from _relations(20_000, rng)


_KINDS: dict[str, Callable[[int, random.Random], Iterator[_Member]]] = {
    "mixed": _mixed,
    "many": _many,
    "tiny": _tiny,
}


def _random(rng: random.Random, size: int) -> bytes:
    """Bytes in steps of 1 MiB: the generator takes at most 256 MiB at once."""
    return b"".join(rng.randbytes(min(MIB, size - start)) for start in range(0, size, MIB))


def _bundle(size: int, rng: random.Random) -> bytes:
    pack = b"PACK" + struct.pack(">II", 2, 1) + _random(rng, size)
    digest = hashlib.sha1(pack, usedforsecurity=False).digest()
    return b"# v2 git bundle\n" + b"a" * 40 + b" refs/heads/main\n\n" + pack + digest


def _lfs_objects(count: int, each: int, rng: random.Random) -> Iterator[_Member]:
    known = {}
    for _ in range(count):
        blob = _random(rng, each)
        digest = hashlib.sha256(blob).hexdigest()
        known[digest] = [0]
        yield f"lfs-objects/{digest}", blob
    yield "lfs-objects.json", json.dumps(known).encode()


def _relations(size: int, rng: random.Random) -> Iterator[_Member]:
    text = _Text(rng)
    for relation, share in (("issues", 0.6), ("merge_requests", 0.4)):
        yield f"tree/project/{relation}.ndjson", b"".join(_lines(relation, int(size * share), text))


def _lines(relation: str, size: int, text: _Text) -> Iterator[bytes]:
    number = 0
    while size > 0:
        number += 1
        line = json.dumps(_record(relation, number, text)).encode() + b"\n"
        size -= len(line)
        yield line


class _Text:
    """Sentences of words that are as frequent as those of a language, so that they compress as texts do."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        words = ["".join(rng.choices("etaoinshrdlucmfw", k=rng.randint(2, 11))) for _ in range(4000)]
        weights = [1 / (rank + 8) for rank in range(len(words))]
        self._sentences = [
            " ".join(rng.choices(words, weights, k=rng.randint(6, 18))) + "." for _ in range(20_000)
        ]

    def some(self, most: int) -> str:
        """Between one sentence and ``most``, a line each."""
        return "\n".join(self.rng.choices(self._sentences, k=self.rng.randint(1, most)))

    def time(self) -> str:
        """A moment of the last years."""
        day, second, part = self.rng.randint(10, 28), self.rng.randint(10, 59), self.rng.randint(100, 999)
        return f"20{self.rng.randint(15, 24)}-0{self.rng.randint(1, 9)}-{day}T08:15:{second}.{part}Z"


def _record(relation: str, number: int, text: _Text) -> dict[str, object]:
    rng = text.rng
    record: dict[str, object] = {
        "id": rng.getrandbits(27), "iid": number, "author_id": rng.randint(1, 400), "due_date": None,
        "title": text.some(1)[:200], "description": text.some(25), "state": rng.choice(["opened", "closed"]),
        "created_at": text.time(), "updated_at": text.time(), "confidential": False, "lock_version": 0,
        "label_links": [_label(text) for _ in range(rng.randint(0, 3))],
        "notes": [_note(text) for _ in range(rng.randint(0, 7))],
        "timelogs": [], "events": [],
    }  # fmt: skip
    if relation == "merge_requests":
        record |= {
            "source_branch": f"feature-{number}", "target_branch": "main", "source_project_id": 7,
            "target_project_id": 7, "merge_status": "can_be_merged",
        }  # fmt: skip
    return record


def _label(text: _Text) -> dict[str, object]:
    title = f"label-{text.rng.randint(1, 40)}"
    return {"target_type": "Issue", "label": {"title": title, "color": "#428BCA", "created_at": text.time()}}


def _note(text: _Text) -> dict[str, object]:
    author = text.rng.randint(1, 400)
    return {
        "id": text.rng.getrandbits(29), "note": text.some(8), "noteable_type": "Issue",
        "created_at": text.time(), "updated_at": text.time(), "project_id": 7, "author_id": author,
        "discussion_id": text.rng.randbytes(20).hex(), "author": {"name": f"User {author}"},
        "system": author % 5 == 0, "award_emoji": [],
    }  # fmt: skip
