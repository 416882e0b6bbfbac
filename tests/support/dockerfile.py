"""The steps of a Dockerfile, stage by stage, as far as ours goes."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"

_CACHE = re.compile(r"--mount=type=cache,target=(\S+)\s+")
_TOLD_ONLY = {"ARG", "EXPOSE", "LABEL"}


@dataclass(frozen=True, slots=True)
class Run:
    """A command, the folder that it finds again from one build to the next, and where it runs."""

    command: str
    cache: str | None
    folder: str


@dataclass(frozen=True, slots=True)
class Copy:
    """What is copied from the checkout, or from another stage, and where to: a folder if it ends in /."""

    sources: tuple[str, ...]
    target: str
    stage: str | None
    folder: str


@dataclass(slots=True)
class Stage:
    """What makes a stage, and how it is started."""

    name: str
    base: str
    steps: list[Run | Copy] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def stages(text: str) -> dict[str, Stage]:
    """Read a Dockerfile. Raises ValueError for an instruction that would be left out."""
    found: dict[str, Stage] = {}
    for word, rest in _instructions(text):
        if word == "FROM":
            base, _, name = rest.split()
            before = found.get(base)
            stage = found[name] = Stage(name, base)
            if before:
                stage.environment, stage.folder = dict(before.environment), before.folder
                stage.user, stage.entrypoint = before.user, before.entrypoint
        elif word not in _TOLD_ONLY:
            _read(stage, word, rest)
    return found


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line:
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def _read(stage: Stage, word: str, rest: str) -> None:
    match word:
        case "RUN":
            cache = _CACHE.match(rest)
            stage.steps.append(Run(_CACHE.sub("", rest), cache and cache[1], stage.folder))
        case "COPY":
            words = shlex.split(rest)
            other = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else None
            stage.steps.append(Copy(tuple(words[:-1]), words[-1], other, stage.folder))
        case "ENV":
            stage.environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        case "WORKDIR":
            stage.folder = rest
        case "USER":
            stage.user = rest
        case "ENTRYPOINT":
            stage.entrypoint = json.loads(rest)
        case "CMD":
            stage.command = json.loads(rest)
        case _:
            raise ValueError(f"{word} is not read here")
