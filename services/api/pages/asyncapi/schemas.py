"""What people want of a schema: its fields as rows, and a value that it allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_DEEPEST = 8
"""Levels of fields within fields; ours have 5. A schema that has itself as a field ends there."""

_SAMPLES: dict[str, Any] = {"integer": 1, "number": 0.5, "boolean": False, "null": None, "string": "text"}
_BY_FORMAT = {"date-time": "2026-01-31T12:00:00Z", "uri": "https://gitlab.example.com/archive.tar.gz"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its name below that of its object, what it is, and whether it is always there."""

    name: str
    kind: str
    is_required: bool
    description: str


class Schemas:
    """The schemas of a document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def resolve(self, part: Any) -> Any:  # noqa: ANN401  # any part of the document
        """Follow references to their end."""
        while isinstance(part, Mapping) and "$ref" in part:
            names, part = part["$ref"].removeprefix("#/").split("/"), self._document
            for name in names:
                part = part[name]
        return part

    def fields(self, schema: Schema, *, below: str = "", depth: int = 0) -> Iterator[Field]:
        """Give the fields of an object, those of objects within it behind it."""
        whole = self._joined(schema)
        for name, part in whole.get("properties", {}).items():
            field = self._joined(part)
            path = f"{below}{name}"
            is_required = name in whole.get("required", ())
            yield Field(path, self._kind(field), is_required, field.get("description", ""))
            if depth < _DEEPEST:
                yield from self._within(field, path, depth)

    def _within(self, field: Schema, path: str, depth: int) -> Iterator[Field]:
        yield from self.fields(field, below=f"{path}.", depth=depth + 1)
        for alternative in field.get("oneOf", ()):
            yield from self.fields(alternative, below=f"{path}.", depth=depth + 1)
        if isinstance(field.get("additionalProperties"), Mapping):
            yield from self.fields(field["additionalProperties"], below=f"{path}.*.", depth=depth + 1)
        if "items" in field:
            yield from self.fields(field["items"], below=f"{path}[].", depth=depth + 1)

    def example(self, schema: Schema) -> Any:  # noqa: ANN401  # JSON
        """Make a value that the schema allows: with the fields that are always there, and no others."""
        whole = self._joined(schema)
        for given in (
            whole.get("examples"),
            [whole["const"]] if "const" in whole else None,
            whole.get("enum"),
        ):
            if given:
                return given[0]
        if "oneOf" in whole:
            return self.example(whole["oneOf"][0])
        return self._example_of(_types(whole)[0], whole)

    def _example_of(self, kind: str, whole: Schema) -> Any:  # noqa: ANN401  # JSON
        match kind:
            case "object":
                properties = whole.get("properties", {})
                return {name: self.example(properties[name]) for name in whole.get("required", ())}
            case "array":
                return [self.example(whole["items"])] if whole.get("minItems") else []
            case "string" if "format" in whole:
                return _BY_FORMAT[whole["format"]]
        return whole.get("minimum", _SAMPLES[kind])

    def _kind(self, field: Schema) -> str:
        """Say in a few words what a field is."""
        if "const" in field:
            return f"`{field['const']}`"
        if "enum" in field:
            return "one of " + ", ".join(f"`{value}`" for value in field["enum"])
        if "oneOf" in field:
            return " or ".join(dict.fromkeys(self._kind(self._joined(each)) for each in field["oneOf"]))
        words = " or ".join(_types(field))
        if "items" in field:
            words += " of " + self._kind(self._joined(field["items"]))
        return f"{words}, {field['format']}" if "format" in field else words

    def _joined(self, schema: Schema) -> dict[str, Any]:
        """Follow references, and make one schema of those that all hold."""
        whole = dict(self.resolve(schema))
        for part in whole.pop("allOf", ()):
            found = self._joined(part)
            properties = {**whole.get("properties", {}), **found.get("properties", {})}
            required = [*whole.get("required", ()), *found.get("required", ())]
            whole = {**found, **whole, "properties": properties, "required": required}
        return whole


def _types(schema: Schema) -> list[str]:
    kinds = schema.get("type", "object")
    return [kinds] if isinstance(kinds, str) else list(kinds)
