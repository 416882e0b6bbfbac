"""The figures of the code that must not get worse, and how far each may go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.figures.functions import Function, functions, percentile
from tests.figures.imports import Cycle, folder_cycles, import_graph, module_cycles

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "services", ROOT / "shared")
KNOWN_FOLDER_CYCLES: set[frozenset[str]] = set()
"""These may get smaller or go, and none may be added."""
ROOMS_OF_THE_API: int | None = 12
"""How many folders and modules may lie directly in services/api."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, the most that it may be (None: any), and what else there is to say of it."""

    name: str
    value: int
    limit: int | None
    remarks: tuple[str, ...] = ()

    @property
    def is_within_its_limit(self) -> bool:
        """Whether it is no worse than it may be."""
        return self.limit is None or self.value <= self.limit


def figures() -> list[Figure]:
    """Measure services and shared as they lie here."""
    return [*_of_functions(functions(FOLDERS)), *_of_imports(), _rooms(ROOT / "services" / "api")]


def _of_functions(found: list[Function]) -> Iterator[Figure]:
    bodies = [function.body for function in found]
    complexities = [function.complexity for function in found]
    silent = tuple(function.place for function in found if not function.says_what_it_returns)
    longest = max(found, key=lambda function: function.body)
    yield Figure("lines of a function body, 50 of 100 have at most", percentile(bodies, 0.5), None)
    yield Figure("lines of a function body, 90 of 100 have at most", percentile(bodies, 0.9), 11)
    yield Figure("lines of the longest function body", longest.body, 40, (longest.place,))
    yield Figure("cyclomatic complexity, 90 of 100 have at most", percentile(complexities, 0.9), 5)
    yield Figure("functions that do not say what they return", len(silent), 0, silent)


def _of_imports() -> Iterator[Figure]:
    graph = import_graph()
    folders = folder_cycles(graph)
    yield _cycles("cycles of modules", module_cycles(graph))
    yield _cycles("cycles of folders, known", {cycle for cycle in folders if _is_known(cycle)}, limit=None)
    yield _cycles("cycles of folders, new", {cycle for cycle in folders if not _is_known(cycle)})


def _is_known(cycle: Cycle) -> bool:
    return any(cycle <= known for known in KNOWN_FOLDER_CYCLES)


def _cycles(name: str, cycles: set[Cycle], *, limit: int | None = 0) -> Figure:
    return Figure(name, len(cycles), limit, tuple(", ".join(sorted(cycle)) for cycle in cycles))


def _rooms(folder: Path) -> Figure:
    """Count the folders and modules that lie directly in a folder."""
    count = sum(_is_room(path) for path in folder.iterdir())
    return Figure(f"folders and modules directly in {folder.relative_to(ROOT)}", count, ROOMS_OF_THE_API)


def _is_room(path: Path) -> bool:
    if path.is_dir():
        return path.name != "__pycache__"
    return path.suffix == ".py" and path.stem != "__init__"
