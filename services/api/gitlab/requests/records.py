"""Parses the filters of lists of records: those of GitLab's that clients use to verify imports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.api.http.pagination import Page
from services.api.http.parameters import ParameterReader, integer
from shared.records.filters import RecordFilter
from shared.usecases.records import RecordQuery

_ALL = "all"
_NOTHING = RecordFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListParameters:
    """The parameters that the list of a relation accepts. Lists with ``sort`` begin with the newest."""

    states: Sequence[str] = ()
    labels: bool = False
    title: bool = False
    sort: bool = False

    def read(self, given: Mapping[str, object], relation: str, page: Page) -> RecordQuery:
        """Read the filter and the page of a list. Raises ParametersInvalid."""
        reader = ParameterReader(given)
        backwards = self.sort and reader.choice("sort", ("asc", "desc")) != "asc"
        wanted = self._filter(reader, given) if self.states else _NOTHING
        reader.finish()
        return RecordQuery(
            relation=relation,
            wanted=None if wanted == _NOTHING else wanted,
            backwards=backwards,
            offset=page.offset,
            limit=page.size,
        )

    def _filter(self, reader: ParameterReader, given: Mapping[str, object]) -> RecordFilter:
        state = reader.choice("state", (*self.states, _ALL))
        labels = _split_list(given.get("labels")) if self.labels else []
        word = labels[0].lower() if len(labels) == 1 else ""
        iids = [integer(text) for text in _split_list(given.get("iids"))]
        if None in iids:
            reader.problem("iids", "is invalid")
        return RecordFilter(
            state=None if state == _ALL else state,
            iids=frozenset(number for number in iids if number is not None) if iids else None,
            labels=None if word == "any" or not labels else frozenset(() if word == "none" else labels),
            is_labelled=word == "any",
            title=reader.text("title") if self.title else None,
        )


def _split_list(given: object) -> list[str]:
    """Read a list of texts, or one text with commas between them."""
    texts = given if isinstance(given, list) else [] if given is None else str(given).split(",")
    return [text for each in texts if (text := str(each).strip())]


ISSUES = ListParameters(states=("opened", "closed"), labels=True, sort=True)
MERGE_REQUESTS = ListParameters(states=("opened", "closed", "locked", "merged"), labels=True, sort=True)
MILESTONES = ListParameters(states=("active", "closed"), title=True)
RELEASES = ListParameters(sort=True)
LABELS = SNIPPETS = ListParameters()
