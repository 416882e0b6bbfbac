"""What a record must have to be in a list, and the attributes of records that lists are filtered by."""

from __future__ import annotations

from dataclasses import dataclass

from shared.records.fields import Fields, listed, nested, reader

_STATES = {1: "opened", 2: "closed", 3: "merged", 4: "locked"}
_label = reader("title")
_read = reader("iid", "state", "state_id", "label_links", "title", "tag")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """What a record must have; None asks for nothing.

    All of ``labels`` are needed; where there are none in it, the record may have none. ``is_labelled``
    asks for any label at all.
    """

    state: str | None = None
    iids: frozenset[int] | None = None
    labels: frozenset[str] | None = None
    is_labelled: bool = False
    title: str | None = None
    tag: str | None = None

    def __call__(self, record: bytes) -> bool:
        """Tell whether a record has it all."""
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


def state_of(fields: Fields) -> str | None:
    """Read the state, which archives tell as a word or as a number."""
    return fields.text("state") or _STATES.get(fields.number("state_id") or 0)


def labels_of(fields: Fields) -> list[str]:
    """Read the names of the labels, in order."""
    names = (nested(link, "label", _label).text("title") for link in listed(fields, "label_links", "label"))
    return sorted(filter(None, names))
