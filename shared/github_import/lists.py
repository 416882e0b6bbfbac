"""The lists that are asked of GitHub for one repository, and what their items count as.

Paths are below the repository's. Names are those that rows of ``github_pages`` have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from shared.github.answers import UNREADABLE, Repository, is_given
from shared.github.statistics import ObjectType, object_type_of
from shared.github.timeline_answers import TIMELINE_KINDS

_MOST_DIGITS = 18

Count = Callable[[Iterable[Raw]], Counter[ObjectType]]


def _nothing(_items: Iterable[Raw]) -> Counter[ObjectType]:
    return Counter()


@dataclass(frozen=True, slots=True)
class RemoteList:
    """A list, or a record, which is taken for a list of one; ``count`` says what its items are.

    One that is not of the repository has the whole path. A record has to be of the ``form``, if it is to be
    kept.
    ``parts`` is the pattern of the names of other lists that its items are kept as, if they are.
    """

    name: str
    path: str
    count: Count = _nothing
    is_record: bool = False
    is_of_repository: bool = True
    form: type[Any] = Raw
    parts: str | None = None


_Number = Annotated[int, Meta(ge=0, le=2**62)]


class Peek(Struct):
    """What is looked at of an item before it is mapped."""

    id: _Number = 0
    number: _Number = 0
    login: str = ""
    name: str = ""
    event: str = ""
    updated_at: str = ""
    pull_request: Raw | UnsetType = UNSET
    pull_request_url: str = ""


def peek(item: Raw) -> Peek:
    """Look at an item; at one that cannot be read, nothing is seen."""
    try:
        return msgspec.json.decode(item, type=Peek)
    except UNREADABLE:
        return Peek()


def is_pull_request(item: Raw) -> bool:
    """Tell whether an item of the list of issues is one."""
    return is_given(peek(item).pull_request)


def _all_are(kind: ObjectType) -> Count:
    def count(items: Iterable[Raw]) -> Counter[ObjectType]:
        return Counter({kind: sum(1 for _ in items)})

    return count


def _issues(items: Iterable[Raw]) -> Counter[ObjectType]:
    return Counter({ObjectType.ISSUE: sum(not is_pull_request(item) for item in items)})


def _events(items: Iterable[Raw]) -> Counter[ObjectType]:
    events = (peek(item).event for item in items)
    return Counter(object_type_of(event) for event in events if event in TIMELINE_KINDS)


REPOSITORY = RemoteList("repository", "", is_record=True, form=Repository)
LABELS = RemoteList("labels", "/labels", _all_are(ObjectType.LABEL))
MILESTONES = RemoteList("milestones", "/milestones?state=all", _all_are(ObjectType.MILESTONE))
RELEASES = RemoteList("releases", "/releases", _all_are(ObjectType.RELEASE))
PULLS = RemoteList("pulls", "/pulls?state=all&sort=created&direction=asc", _all_are(ObjectType.PULL_REQUEST))
COLLABORATORS = RemoteList("collaborators", "/collaborators?affiliation=direct")
OUTSIDE = RemoteList("outside_collaborators", "/collaborators?affiliation=outside")
ISSUES = RemoteList("issues", "/issues?state=all&sort=created&direction=asc", _issues)
REVIEW_COMMENTS = RemoteList(
    "review_comments",
    "/pulls/comments?sort=updated&direction=asc",
    _all_are(ObjectType.DIFF_NOTE),
    parts="^pulls/[0-9]+/comments$",
)
BRANCHES = RemoteList("branches", "/branches?protected=true", _all_are(ObjectType.PROTECTED_BRANCH))


def timeline_of(number: int) -> RemoteList:
    """Give the timeline of an issue or a pull request, which has its comments, reviews and events."""
    return RemoteList(f"issues/{number}/timeline", f"/issues/{number}/timeline", _events)


def comments_of(number: int) -> RemoteList:
    """Give the comments of an issue or a pull request by themselves, where its timeline cannot be had."""
    return RemoteList(f"issues/{number}/comments", f"/issues/{number}/comments", _all_are(ObjectType.NOTE))


def reviews_of(number: int) -> RemoteList:
    """Give the reviews of a pull request by themselves, where its timeline cannot be had."""
    name = f"pulls/{number}/reviews"
    return RemoteList(name, f"/{name}", _all_are(ObjectType.PULL_REQUEST_REVIEW))


def review_comments_of(number: int) -> RemoteList:
    """Give the comments on lines of a pull request."""
    name = f"pulls/{number}/comments"
    return RemoteList(name, f"/{name}", _all_are(ObjectType.DIFF_NOTE))


def account_of(collaborator: Raw) -> RemoteList:
    """Give the account of a collaborator, which tells the public e-mail."""
    seen = peek(collaborator)
    path = f"/users/{quote(seen.login, safe='')}"
    return RemoteList(f"accounts/{seen.id}", path, is_record=True, is_of_repository=False)


def protection_of(place: int, branch: str = "") -> RemoteList:
    """Give the protection of the branch that is the ``place``-th of its list: names may be of any length."""
    path = f"/branches/{quote(branch, safe='')}/protection"
    return RemoteList(f"protections/{place}", path, is_record=True)


def pull_number(item: Raw) -> int:
    """Give the number of the pull request that a comment on a line belongs to, 0 where it cannot be read."""
    number = peek(item).pull_request_url.rpartition("/")[2]
    is_one = number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS
    return int(number) if is_one else 0


def branch_name(item: Raw) -> str:
    """Give the name of a branch."""
    return peek(item).name


_SUBJECTS = {
    LABELS.name: ObjectType.LABEL,
    MILESTONES.name: ObjectType.MILESTONE,
    RELEASES.name: ObjectType.RELEASE,
    PULLS.name: ObjectType.PULL_REQUEST,
    COLLABORATORS.name: ObjectType.COLLABORATOR,
    OUTSIDE.name: ObjectType.COLLABORATOR,
    ISSUES.name: ObjectType.ISSUE,
    REVIEW_COMMENTS.name: ObjectType.DIFF_NOTE,
    BRANCHES.name: ObjectType.PROTECTED_BRANCH,
}
_SUBJECTS_OF_PARTS = {
    "timeline": ObjectType.ISSUE_EVENT,
    "comments": ObjectType.NOTE,
    "reviews": ObjectType.PULL_REQUEST_REVIEW,
}


def attachment_type(name: str) -> ObjectType | None:
    """Give what files count as that the texts of a list name; None for a list without texts."""
    of_list = {
        RELEASES.name: ObjectType.RELEASE_ATTACHMENT,
        ISSUES.name: ObjectType.ISSUE_ATTACHMENT,
        PULLS.name: ObjectType.MERGE_REQUEST_ATTACHMENT,
    }
    is_part = name.startswith(("issues/", "pulls/"))
    return ObjectType.NOTE_ATTACHMENT if is_part else of_list.get(name)


def subject_of(name: str) -> tuple[ObjectType, dict[str, int | str]]:
    """Give what a list is of that GitHub did not give whole, and how that is identified."""
    if name in _SUBJECTS:
        return _SUBJECTS[name], {}
    of, number, *part = name.split("/")
    if of == "protections":
        return ObjectType.PROTECTED_BRANCH, {}
    if of == "accounts":
        return ObjectType.COLLABORATOR, {"id": int(number)}
    if of == "pulls" and part == ["comments"]:
        return ObjectType.DIFF_NOTE, {"noteable_iid": int(number)}
    return _SUBJECTS_OF_PARTS[part[0]], {"noteable_iid": int(number)}
