"""What was measured: samples of a figure, its goal, and the table and the JSON of all of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """The most that a figure may be, or the least where ``at_least``."""

    limit: float
    at_least: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value is within the goal."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {number(self.limit)}"


def at_most(limit: float) -> Goal:
    """Give the goal of figures that are to be small."""
    return Goal(limit)


def at_least(limit: float) -> Goal:
    """Give the goal of figures that are to be large."""
    return Goal(limit, at_least=True)


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a figure, which its name identifies.

    ``size`` is that of the archive in MiB, for figures that are plotted against it.
    """

    name: str
    value: float
    unit: str = "ratio"
    goal: Goal | None = None
    size: int | None = None


@dataclass(slots=True)
class Figure:
    """All samples of one name and size."""

    name: str
    unit: str
    goal: Goal | None
    size: int | None
    samples: list[float] = field(default_factory=list)

    @property
    def value(self) -> float:
        """The median of the samples."""
        return median(self.samples)

    @property
    def verdict(self) -> str:
        """Say whether the goal holds; nothing where there is none."""
        if self.goal is None:
            return ""
        return "yes" if self.goal.holds(self.value) else "no"


@dataclass(slots=True)
class Outcome:
    """What one measure found, how long it took, and why it ended early, if it did."""

    measure: str
    figures: list[Figure] = field(default_factory=list)
    seconds: float = 0
    error: str | None = None

    def add(self, sample: Sample) -> None:
        """Put a sample to the others of its figure."""
        for figure in self.figures:
            if (figure.name, figure.size) == (sample.name, sample.size):
                break
        else:
            figure = Figure(sample.name, sample.unit, sample.goal, sample.size)
            self.figures.append(figure)
        figure.samples.append(sample.value)


def write_json(target: Path, about: dict[str, Any], outcomes: Iterable[Outcome]) -> None:
    """Write everything to a file, in place of what it held."""
    target.write_text(json.dumps({**about, "measures": [asdict(each) for each in outcomes]}, indent=1) + "\n")


def read_json(source: Path) -> list[Outcome]:
    """Read what ``write_json`` wrote."""
    return [
        Outcome(**{**each, "figures": [_figure(figure) for figure in each["figures"]]})
        for each in json.loads(source.read_text())["measures"]
    ]


def _figure(given: dict[str, Any]) -> Figure:
    return Figure(**{**given, "goal": Goal(**given["goal"]) if given["goal"] else None})


def table(outcomes: Collection[Outcome]) -> str:
    """Give a Markdown table of all figures, and below it what failed."""
    rows = [("measure", "figure", "median", "from", "to", "unit", "goal", "holds")]
    rows.append(tuple("-" * len(name) for name in rows[0]))  # type: ignore[arg-type]  # as long as the first
    for outcome in outcomes:
        rows += _rows(outcome)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in rows
    ]
    failed = [f"FAILED {outcome.measure}: {outcome.error}" for outcome in outcomes if outcome.error]
    return "\n".join([*lines, *failed])


def _rows(outcome: Outcome) -> Iterator[tuple[str, str, str, str, str, str, str, str]]:
    for figure in outcome.figures:
        name = figure.name if figure.size is None else f"{figure.name}, {figure.size} MiB"
        spread = number(min(figure.samples)), number(max(figure.samples))
        goal = str(figure.goal or "")
        yield outcome.measure, name, number(figure.value), *spread, figure.unit, goal, figure.verdict


def number(value: float) -> str:
    """Write a number with three digits that say something."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}" if value % 1 else f"{value:.0f}"
