"""Nested parameters, as in Rack: ``upload[url]=x`` means ``{"upload": {"url": "x"}}``.

This applies to JSON as well, because python-gitlab sends such names there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")
_DEEPEST = 16


def nest(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Nest all values by their names. The last value of a name wins; ``name[]`` collects a list.

    A name with unbalanced brackets, or with more than 16 levels, is not nested.
    """
    nested: dict[str, object] = {}
    for name, value in pairs:
        _put(nested, _steps(name), value)
    return nested


def _steps(name: str) -> list[str]:
    match = _NAME.fullmatch(name)
    if match is None:
        return [name]
    steps = [match[1], *match[2][1:-1].split("][")]
    return steps if len(steps) <= _DEEPEST else [name]


def _put(nested: dict[str, object], steps: list[str], value: object) -> None:
    is_list = len(steps) > 1 and steps[-1] == ""
    *outer, last = steps[:-1] if is_list else steps
    for step in outer:
        inner = nested.get(step)
        if not isinstance(inner, dict):
            inner = nested[step] = {}
        nested = inner
    if is_list:
        kept = nested.get(last)
        nested[last] = [*kept, value] if isinstance(kept, list) else [value]
    else:
        nested[last] = value
