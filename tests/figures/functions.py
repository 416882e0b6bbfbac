"""How long and how branched the functions are, and whether each says what it returns."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

_Def = ast.FunctionDef | ast.AsyncFunctionDef
_DECISIONS = ast.If | ast.IfExp | ast.For | ast.AsyncFor | ast.While | ast.ExceptHandler


@dataclass(frozen=True, slots=True)
class Function:
    """A function, where it is defined, and its figures: lines of the body, cyclomatic complexity."""

    place: str
    name: str
    body: int
    complexity: int
    says_what_it_returns: bool


def functions(folders: Iterable[Path]) -> list[Function]:
    """Measure every function, also those within functions, of all modules below the folders."""
    return [
        function
        for folder in folders
        for file in sorted(folder.rglob("*.py"))
        for function in functions_of(file.read_text(), str(file.relative_to(folder.parent)))
    ]


def functions_of(source: str, file: str) -> Iterator[Function]:
    """Measure every function of a module's source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _Def):
            place = f"{file}:{node.lineno}"
            yield Function(place, node.name, _lines(node), _complexity(node), node.returns is not None)


def _lines(node: _Def) -> int:
    """Count the lines of a body from its first statement to its last, without the docstring."""
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _complexity(node: _Def) -> int:
    """Count McCabe's way: one, and one for each decision; a nested function is counted for itself."""
    return 1 + sum(map(_decisions, _own(node)))


def _own(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _Def):
            yield child
            yield from _own(child)


def _decisions(node: ast.AST) -> int:
    match node:
        case ast.BoolOp():
            return len(node.values) - 1
        case ast.comprehension():
            return 1 + len(node.ifs)
        case ast.match_case(pattern=ast.MatchAs(pattern=None), guard=None):
            return 0
        case ast.match_case():
            return 1
    return int(isinstance(node, _DECISIONS))


def percentile(values: Sequence[int], share: float) -> int:
    """Give the smallest value that at least this share of the values do not exceed."""
    return sorted(values)[max(ceil(len(values) * share) - 1, 0)]
