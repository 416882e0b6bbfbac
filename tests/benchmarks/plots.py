"""Plots of figures against the size of an archive, as SVG. Both axes are logarithmic."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from tests.benchmarks.results import Figure, Outcome, number

_WIDTH, _HEIGHT, _LEFT, _TOP, _LEGEND = 480, 320, 60, 30, 280
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2", "#7f7f7f", "#17becf")
_Line = list[tuple[float, float]]


def write_plots(folder: Path, outcomes: Iterable[Outcome]) -> list[Path]:
    """Write a plot for each unit of the figures that have a size; give their files."""
    by_unit: dict[str, dict[str, _Line]] = defaultdict(lambda: defaultdict(list))
    for figure in _sized(outcomes):
        by_unit[figure.unit][figure.name].append((float(figure.size or 0), figure.value))
    written = []
    for unit, lines in by_unit.items():
        file = folder / f"bench-{unit}.svg"
        file.write_text(plot(f"{unit} against MiB of an archive", unit, lines))
        written.append(file)
    return written


def _sized(outcomes: Iterable[Outcome]) -> list[Figure]:
    return [figure for outcome in outcomes for figure in outcome.figures if figure.size is not None]


class Scale:
    """A logarithmic axis: where a value lies between its ends, which are powers of two around all values."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        positive = [value for value in values if value > 0] or [1]
        self._low = math.floor(math.log2(min(positive)))
        self._high = max(math.ceil(math.log2(max(positive))), self._low + 1)
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        """Give the place of a value; what is not above zero lies at the low end."""
        power = math.log2(value) if value > 0 else self._low
        return self._start + (self._end - self._start) * (power - self._low) / (self._high - self._low)

    @property
    def ticks(self) -> list[float]:
        """Powers of two, at most about eight."""
        step = max(1, (self._high - self._low + 7) // 8)
        return [2.0**power for power in range(self._low, self._high + 1, step)]


def plot(title: str, unit: str, lines: dict[str, _Line]) -> str:
    """Draw lines through points, each with its name."""
    points = [point for line in lines.values() for point in line]
    across = Scale([x for x, _ in points], _LEFT, _LEFT + _WIDTH)
    up = Scale([y for _, y in points], _TOP + _HEIGHT, _TOP)
    drawn = [_text(_LEFT, _TOP - 12, title), _text(4, _TOP - 12, unit), *_axes(across, up)]
    for count, (name, line) in enumerate(lines.items()):
        drawn += _drawn(name, [(across.at(x), up.at(y)) for x, y in sorted(line)], count)
    size = f'width="{_LEFT + _WIDTH + _LEGEND}" height="{_TOP + _HEIGHT + 30}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *drawn, "</svg>\n"])


def _axes(across: Scale, up: Scale) -> list[str]:
    below, right = _TOP + _HEIGHT, _LEFT + _WIDTH
    drawn = []
    for tick in across.ticks:
        x = across.at(tick)
        drawn += [
            f'<path d="M{x:.1f} {_TOP}V{below}" stroke="#ddd"/>',
            _text(x - 8, below + 16, number(tick)),
        ]
    for tick in up.ticks:
        y = up.at(tick)
        drawn += [f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#ddd"/>', _text(8, y + 4, number(tick))]
    return drawn


def _drawn(name: str, points: _Line, count: int) -> list[str]:
    colour, y = _COLOURS[count % len(_COLOURS)], _TOP + 12 + 16 * count
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    legend = _text(_LEFT + _WIDTH + 12, y, name, colour)
    return [f'<polyline points="{path}" fill="none" stroke="{colour}"/>', *dots, legend]


def _text(x: float, y: float, text: str, colour: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}">{escape(text)}</text>'
