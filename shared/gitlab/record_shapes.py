"""The shape of GitLab's records, read from ``record_shapes.toml``, and what of a line differs, or is refused.

A line that differs may still be imported: GitLab drops attributes that it does not know, and sets those that
are missing where it can. Whoever makes records for a GitLab wants to know.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Raw

from shared.gitlab.import_rules import Effect, broken_rules
from shared.gitlab.nesting import depth_over
from shared.gitlab.relations import RELATIONS, SINGLE

_FILE = "record_shapes.toml"
_PROJECT = "project"
_RELATIONS = frozenset(RELATIONS)
_NULLABLE = SINGLE | {"user_contributions"}
_LONGEST_NAME = 100
# Old archives have times as Ruby prints them.
_TIME = re.compile(rb'"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z| UTC|[+-]\d\d:\d\d)"')
_DAY = re.compile(rb'"\d{4}-\d\d-\d\d"')
_KINDS_BY_BYTE = {"{": "o", "[": "l", '"': "s", "t": "b", "f": "b", "n": "n"}
_INTEGER = re.compile(rb"-?\d+")
_WORDS = {
    "s": "a string",
    "i": "an integer",
    "f": "a fraction",
    "b": "a boolean",
    "l": "a list",
    "o": "an object",
    "n": "null",
    "t": "a time",
    "d": "a day",
}


@dataclass(frozen=True, slots=True)
class ShapeFault:
    """What is not as GitLab writes it; ``field`` is the path of the attribute, empty for the line."""

    field: str
    message: str
    effect: Effect = Effect.DIFFERS


@dataclass(frozen=True, slots=True)
class _Attribute:
    """What values an attribute has, by their codes; and which words, where there are only some."""

    codes: str
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Shape:
    attributes: Mapping[str, _Attribute]
    always: frozenset[str]


def is_known(relation: str) -> bool:
    """Tell whether GitLab has such a relation; its import passes over others."""
    return relation in _RELATIONS


def shape_faults(line: bytes, relation: str, *, depth: int) -> Iterator[ShapeFault]:
    """Give what of a line of a relation differs from what GitLab writes; ``depth`` is the limit of nesting.

    A line that is no JSON, or no record, is a fault too: the first ends GitLab's import.
    """
    if nested := depth_over(line, depth):
        yield ShapeFault("", f"nests {nested} deep, over the limit of {depth}", Effect.FAILS_IMPORT)
        return
    try:
        yield from _line(line, relation)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        yield ShapeFault("", f"is not JSON: {error}", Effect.FAILS_IMPORT)


def _line(line: bytes, relation: str) -> Iterator[ShapeFault]:
    value = msgspec.json.decode(line, type=Raw)
    code = _code(value)
    if code == "o":
        yield from _record(value, relation, "")
    elif code != "n" or relation not in _NULLABLE:
        yield ShapeFault("", f"is {_WORDS[code]}, not an object", Effect.DROPS_RECORD)


def project_faults(document: bytes, *, depth: int) -> Iterator[ShapeFault]:
    """Give the same for ``tree/project.json``."""
    return shape_faults(document, _PROJECT, depth=depth)


def _record(value: Raw, kind: str, path: str) -> Iterator[ShapeFault]:
    members = msgspec.json.decode(value, type=dict[str, Raw])
    shape = _shapes()[kind]
    broken = dict(broken_rules(kind, members))
    effect = Effect.DROPS_NESTED if path else Effect.DROPS_RECORD
    yield from (ShapeFault(path + name, message, effect) for name, message in broken.items())
    for name in sorted(shape.always - members.keys() - broken.keys()):
        yield ShapeFault(path + name, "is missing")
    for name, member in members.items():
        attribute = shape.attributes.get(name)
        if attribute is None:
            yield ShapeFault(path + name[:_LONGEST_NAME], f"is no attribute of {kind}", Effect.IGNORES)
        elif name not in broken:
            yield from _value(member, name, path + name, attribute)


def _value(value: Raw, name: str, path: str, attribute: _Attribute) -> Iterator[ShapeFault]:
    code = _code(value)
    if not _is_one_of(value, code, attribute.codes):
        wanted = " or ".join(_WORDS[each] for each in attribute.codes)
        yield ShapeFault(path, f"is {_WORDS[code]}, not {wanted}")
    elif code == "s" and attribute.values and _text(value) not in attribute.values:
        yield ShapeFault(path, f"is none of {', '.join(sorted(attribute.values))}")
    elif code in "ol" and name in _shapes():
        yield from _nested(value, code, name, path)


def _is_one_of(value: Raw, code: str, codes: str) -> bool:
    if codes == "*" or code in codes:
        return True
    is_time = "t" in codes and _TIME.fullmatch(value) is not None
    return code == "s" and (is_time or ("d" in codes and _DAY.fullmatch(value) is not None))


def _nested(value: Raw, code: str, kind: str, path: str) -> Iterator[ShapeFault]:
    if code == "o":
        yield from _record(value, kind, f"{path}.")
        return
    for number, element in enumerate(msgspec.json.decode(value, type=list[Raw])):
        if (found := _code(element)) == "o":
            yield from _record(element, kind, f"{path}[{number}].")
        else:
            yield ShapeFault(f"{path}[{number}]", f"is {_WORDS[found]}, not an object")


def _code(value: Raw) -> str:
    first = chr(memoryview(value)[0])
    return _KINDS_BY_BYTE.get(first) or ("i" if _INTEGER.fullmatch(value) else "f")


def _text(value: Raw) -> str:
    return msgspec.json.decode(value, type=str)


@cache
def _shapes() -> Mapping[str, _Shape]:
    document = tomllib.loads(files("shared.gitlab").joinpath(_FILE).read_text())
    values = document["values"]
    return {kind: _shape(kind, text.split(), values) for kind, text in document["kinds"].items()}


def _shape(kind: str, words: list[str], values: Mapping[str, str]) -> _Shape:
    attributes, always = {}, set()
    for word in words:
        name, _, codes = word.partition(":")
        if codes.endswith("!"):
            always.add(name)
        found = frozenset(values.get(f"{kind}.{name}", "").split())
        attributes[name] = _Attribute(codes.rstrip("!"), found)
    return _Shape(attributes, frozenset(always))
