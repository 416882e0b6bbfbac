"""What a soak does and when, from a seed: the same seed gives the same plan."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

KILL_EVERY = 2.0
"""Seconds between two faults."""


class Fault(Enum):
    """What is done to a process or a server, in words."""

    KILL = "process killed (SIGKILL)"
    FREEZE = "worker stopped for longer than its lease (SIGSTOP)"
    CONNECTIONS = "all connections to the database ended"
    DATABASE = "database restarted"
    BROKER = "broker killed and started again"
    PURGE = "all queues purged"
    STORAGE = "object storage stopped for three seconds (SIGSTOP)"


class Kind(Enum):
    """What a user asks for."""

    IMPORT = "import"
    OVERWRITE = "overwrite"
    EXPORT = "export"
    UPLOAD = "upload"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Step:
    """A fault, and the name of the process that has it; none where a server has it."""

    fault: Fault
    target: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """One request. ``keyed``: it has an Idempotency-Key, and is sent twice.

    An archive has ``mib`` MiB of records and as many of a blob, or few of both for 0. ``place`` says which of
    the few paths an overwrite goes to.
    """

    number: int
    kind: Kind
    keyed: bool = False
    mib: int = 0
    place: int = 0


_ROUND = {
    2: Fault.FREEZE,
    4: Fault.CONNECTIONS,
    6: Fault.STORAGE,
    8: Fault.DATABASE,
    11: Fault.PURGE,
    13: Fault.BROKER,
}
"""The faults of a round of 15 steps, half a minute, that are no kills. The broker is slow to start: last."""
_STEPS_OF_ROUND = 15
_OF_PROCESSES = (Fault.KILL, Fault.FREEZE)
_SHARES = {Kind.IMPORT: 40, Kind.OVERWRITE: 20, Kind.EXPORT: 20, Kind.UPLOAD: 12, Kind.CANCEL: 8}
_LARGE = 12
PLACES = 4
"""Paths that are overwritten again and again."""


def faults(count: int, *, seed: int, apis: Sequence[str], workers: Sequence[str]) -> list[Step]:
    """Give ``count`` faults. An api is killed as workers are, but never stopped: users would only wait."""
    rng = random.Random(seed)  # noqa: S311  # a plan, no secret
    steps = []
    for number in range(count):
        fault = _ROUND.get(number % _STEPS_OF_ROUND, Fault.KILL)
        names = [*workers, *(apis if fault is Fault.KILL else ())]
        steps.append(Step(fault, rng.choice(names) if fault in _OF_PROCESSES else ""))
    return steps


def wishes(count: int, *, seed: int) -> list[Wish]:
    """Give ``count`` requests of all kinds in any order; the first make the projects that are overwritten."""
    rng = random.Random(seed + 1)  # noqa: S311  # a plan, no secret
    drawn = rng.choices(list(_SHARES), weights=list(_SHARES.values()), k=count)
    return [
        Wish(
            number,
            Kind.OVERWRITE if number < PLACES else kind,
            keyed=rng.random() < 0.5,
            mib=_LARGE if rng.random() < 0.4 else 0,
            place=number if number < PLACES else rng.randrange(PLACES),
        )
        for number, kind in enumerate(drawn)
    ]
