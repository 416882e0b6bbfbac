"""Which records each path of the GitHub for tests answers; paths are written as its description does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias, TypeVar

from tests.support.github.issue_rendering import Rendering
from tests.support.github.issues import Issue, Pull
from tests.support.github.records import Event
from tests.support.github.rendering import Json
from tests.support.github.repositories import Branch, Repository

T = TypeVar("T")

REPO = "/repos/{owner}/{repo}"
BULK = 30_000
"""Comments that the list of all comments of a repository has, at most."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for something of a repository."""

    repository: Repository
    rendering: Rendering
    names: Mapping[str, str]
    query: Mapping[str, str]

    def issue(self) -> Issue:
        """Give the issue, or pull request, whose number the path has. Raises Absent."""
        return self.repository.numbered(int(self.names["issue_number"])) or _absent()

    def pull(self) -> Pull:
        found = self.repository.numbered(int(self.names["pull_number"]))
        return found if isinstance(found, Pull) else _absent()

    def branch(self) -> Branch:
        named = [each for each in self.repository.branches if each.name == self.names["branch"]]
        return named[0] if named else _absent()

    def matching(self, every: Sequence[T], *, state: str) -> Sequence[T]:
        """Give those of issues, pulls or milestones that the query asks for, in its order.

        What is asked for as a whole is not looked at, as it may be made as it is read.
        """
        wanted = self.query.get("state", state)
        if wanted != "all":
            every = [each for each in every if each.state == wanted]  # type: ignore[attr-defined]
        return every

    def ordered(self, every: Sequence[T], *, descending: bool = False) -> Sequence[T]:
        if "since" in self.query:
            since = datetime.fromisoformat(self.query["since"])
            every = [each for each in every if _changed(each) >= since]
        if self.query.get("sort") == "updated":
            every = sorted(every, key=_changed)
        is_descending = self.query.get("direction", "desc" if descending else "asc") == "desc"
        return every[::-1] if is_descending else every


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list has, and how an item of it is written. No more than a page of it is read at a time."""

    items: Sequence[Any]
    write: Callable[[Any], Any]


class Absent(Exception):  # it is an answer
    """There is no such thing."""


Lister: TypeAlias = Callable[[Ask], Listing]
Teller: TypeAlias = Callable[[Ask], Json]


def _absent() -> Any:
    raise Absent


def _changed(record: Any) -> datetime:
    own = record[1] if isinstance(record, tuple) else record
    changed: datetime = getattr(own, "updated", None) or own.stamp.at
    return changed


def _own_events(issue: Issue) -> list[Event]:
    """Give the events that are not of timelines alone."""
    return [each for each in issue.events if each.name != "cross-referenced"]


def _labels(ask: Ask) -> Listing:
    return Listing(ask.repository.labels, partial(ask.rendering.label, ask.repository))


def _milestones(ask: Ask) -> Listing:
    every = ask.matching(ask.repository.milestones, state="open")
    return Listing(every, partial(ask.rendering.milestone, ask.repository))


def _releases(ask: Ask) -> Listing:
    return Listing(ask.repository.releases[::-1], partial(ask.rendering.release, ask.repository))


def _issues(ask: Ask) -> Listing:
    every = ask.ordered(ask.matching(ask.repository.issues, state="open"), descending=True)
    return Listing(every, partial(ask.rendering.issue, ask.repository))


def _pulls(ask: Ask) -> Listing:
    every = ask.ordered(ask.matching(ask.repository.pulls, state="open"), descending=True)
    return Listing(every, partial(ask.rendering.pull, ask.repository))


def _all_comments(ask: Ask) -> Listing:
    every = ask.ordered(ask.repository.comments())[:BULK]
    return Listing(every, lambda each: ask.rendering.comment(ask.repository, *each))


def _comments(ask: Ask) -> Listing:
    issue = ask.issue()
    every = ask.ordered(issue.comments)
    return Listing(every, partial(ask.rendering.comment, ask.repository, issue))


def _timeline(ask: Ask) -> Listing:
    issue = ask.issue()
    return Listing(issue.moments(), partial(ask.rendering.moment, ask.repository, issue))


def _events(ask: Ask) -> Listing:
    return Listing(_own_events(ask.issue()), partial(ask.rendering.event, ask.repository))


def _all_events(ask: Ask) -> Listing:
    every = sorted((each for one in ask.repository.issues for each in _own_events(one)), key=_changed)
    return Listing(every[::-1], partial(ask.rendering.event, ask.repository))


def _all_review_comments(ask: Ask) -> Listing:
    every = [(pull, comment) for pull in ask.repository.pulls for comment in pull.review_comments]
    inner = ask.ordered(sorted(every, key=_changed))[:BULK]
    return Listing(inner, lambda each: ask.rendering.review_comment(ask.repository, *each))


def _review_comments(ask: Ask) -> Listing:
    pull = ask.pull()
    every = ask.ordered(pull.review_comments)
    return Listing(every, partial(ask.rendering.review_comment, ask.repository, pull))


def _reviews(ask: Ask) -> Listing:
    pull = ask.pull()
    return Listing(pull.reviews, partial(ask.rendering.review, ask.repository, pull))


def _collaborators(ask: Ask) -> Listing:
    """Those from outside are among the direct ones: GitHub calls everybody direct who was added here."""
    is_outside = ask.query.get("affiliation") == "outside"
    every = [each for each in ask.repository.collaborators if each.is_outside or not is_outside]
    return Listing(every, ask.rendering.collaborator)


def _branches(ask: Ask) -> Listing:
    wanted = {"true": (True,), "false": (False,)}.get(ask.query.get("protected", ""), (True, False))
    every = [each for each in ask.repository.branches if (each.protection is not None) in wanted]
    return Listing(every, partial(ask.rendering.branch, ask.repository))


def _repository(ask: Ask) -> Json:
    return ask.rendering.repository(ask.repository)


def _issue(ask: Ask) -> Json:
    return ask.rendering.issue(ask.repository, ask.issue())


def _pull(ask: Ask) -> Json:
    return ask.rendering.whole_pull(ask.repository, ask.pull())


def _requested(ask: Ask) -> Json:
    return {"users": [ask.rendering.known_user(each) for each in ask.pull().requested], "teams": []}


def _protection(ask: Ask) -> Json:
    branch = ask.branch()
    return ask.rendering.protection(ask.repository, branch, branch.protection or _absent())


def _asset(ask: Ask) -> Json:
    number = int(ask.names["asset_id"])
    for release in ask.repository.releases:
        for asset in release.assets:
            if asset.stamp.id == number:
                return ask.rendering.asset(ask.repository, release, asset)
    raise Absent


LISTS: Mapping[str, Lister] = {
    f"{REPO}/labels": _labels,
    f"{REPO}/milestones": _milestones,
    f"{REPO}/releases": _releases,
    f"{REPO}/issues": _issues,
    f"{REPO}/issues/comments": _all_comments,
    f"{REPO}/issues/events": _all_events,
    f"{REPO}/issues/{{issue_number}}/comments": _comments,
    f"{REPO}/issues/{{issue_number}}/events": _events,
    f"{REPO}/issues/{{issue_number}}/timeline": _timeline,
    f"{REPO}/pulls": _pulls,
    f"{REPO}/pulls/comments": _all_review_comments,
    f"{REPO}/pulls/{{pull_number}}/comments": _review_comments,
    f"{REPO}/pulls/{{pull_number}}/reviews": _reviews,
    f"{REPO}/collaborators": _collaborators,
    f"{REPO}/branches": _branches,
}
"""Lists that come in pages."""

RECORDS: Mapping[str, Teller] = {
    REPO: _repository,
    f"{REPO}/issues/{{issue_number}}": _issue,
    f"{REPO}/pulls/{{pull_number}}": _pull,
    f"{REPO}/pulls/{{pull_number}}/requested_reviewers": _requested,
    f"{REPO}/releases/assets/{{asset_id}}": _asset,
    f"{REPO}/branches/{{branch}}/protection": _protection,
}
"""What comes whole."""
