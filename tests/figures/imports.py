"""Cycles among modules, and among the modules and folders that lie side by side in one folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from grimp import ImportGraph, build_graph

Imports = Mapping[str, AbstractSet[str]]
Cycle = frozenset[str]


def import_graph() -> ImportGraph:
    """Read the imports of all our modules, also those that a function makes."""
    return build_graph("services", "shared", cache_dir=None)


def module_cycles(graph: ImportGraph) -> set[Cycle]:
    """Find the sets of modules each of which imports all the others, be it by way of others."""
    return cycles({name: graph.find_modules_directly_imported_by(name) for name in graph.modules})


def folder_cycles(graph: ImportGraph) -> set[Cycle]:
    """Find the same among what lies side by side: a folder imports what any module in it imports."""
    folders = {name for name in graph.modules if graph.find_children(name)}
    return set().union(*(cycles(_between_children(graph, folder)) for folder in folders))


def _between_children(graph: ImportGraph, folder: str) -> dict[str, set[str]]:
    children = graph.find_children(folder)
    return {child: _imported(graph, child, folder) & children - {child} for child in children}


def _imported(graph: ImportGraph, child: str, folder: str) -> set[str]:
    """Name what the child imports by its part that lies in the folder."""
    depth = folder.count(".") + 2
    within = {child, *graph.find_descendants(child)}
    names = set().union(*map(graph.find_modules_directly_imported_by, within))
    return {".".join(name.split(".")[:depth]) for name in names}


def cycles(imports: Imports) -> set[Cycle]:
    """Find the largest sets of more than one whose members all reach each other."""
    reached = {name: set(_reached(imports, name)) for name in imports}
    found = {
        frozenset(other for other in reached[name] if name in reached.get(other, ())) for name in imports
    }
    return {cycle for cycle in found if len(cycle) > 1}


def _reached(imports: Imports, start: str) -> Iterator[str]:
    seen: set[str] = set()
    waiting = _known(imports, start)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            yield name
            waiting += _known(imports, name)


def _known(imports: Imports, name: str) -> list[str]:
    found: Iterable[str] = imports.get(name, ())
    return list(found)
