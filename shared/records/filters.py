"""Filters of record lists, and the attributes that they compare."""

from __future__ import annotations

from dataclasses import dataclass

from shared.records.fields import Fields, read_list, read_object, reader
from shared.records.finder import RecordPredicate

_STATES = {1: "opened", 2: "closed", 3: "merged", 4: "locked"}
_label = reader("title")
_read = reader("iid", "state", "state_id", "label_links", "title", "tag")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """The conditions of a list, as a RecordPredicate; None is no condition.

    A record needs all of ``labels``; an empty set means that it has no label at all. ``is_labelled`` means
    that it has at least one.
    """

    state: str | None = None
    iids: frozenset[int] | None = None
    labels: frozenset[str] | None = None
    is_labelled: bool = False
    title: str | None = None
    tag: str | None = None

    def __call__(self, record: bytes) -> bool:
        """Tell whether a record meets every condition."""
        fields = _read(record)
        return (
            (self.iids is None or fields.number("iid") in self.iids)
            and (self.state is None or state_of(fields) == self.state)
            and (self.title is None or fields.text("title") == self.title)
            and (self.tag is None or fields.text("tag") == self.tag)
            and self._has_labels(fields)
        )

    def _has_labels(self, fields: Fields) -> bool:
        if self.labels is None and not self.is_labelled:
            return True
        found = labels_of(fields)
        return self.labels.issubset(found) if self.labels else bool(found) is self.is_labelled


@dataclass(frozen=True, slots=True)
class Both:
    """Two conditions as one RecordPredicate."""

    first: RecordPredicate
    second: RecordPredicate

    def __call__(self, record: bytes) -> bool:
        """Tell whether a record meets both."""
        return self.first(record) and self.second(record)


def both(first: RecordPredicate | None, second: RecordPredicate | None) -> RecordPredicate | None:
    """Give the condition that both are met; None is no condition."""
    return Both(first, second) if first and second else first or second


def state_of(fields: Fields) -> str | None:
    """Read the state, which archives write as a word or as a number."""
    return fields.text("state") or _STATES.get(fields.number("state_id") or 0)


def labels_of(fields: Fields) -> list[str]:
    """Read the names of the labels, in order."""
    names = (
        read_object(link, "label", _label).text("title") for link in read_list(fields, "label_links", "label")
    )
    return sorted(filter(None, names))
