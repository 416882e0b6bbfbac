"""What GitHub's REST API (v3) answers, as far as it is mapped: unknown members are ignored.

Null is taken where GitHub says it, which is in more places than its OpenAPI description allows:
``head.repo``, ``head.user``, the description of a label within a pull request, ``line`` of an outdated review
comment, ``actor`` and ``user`` within a timeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, OverflowError)
"""What reading an answer raises that is not as GitHub writes it; the last for times in no year of ours."""


def is_given(member: Raw | UnsetType) -> bool:
    """Tell whether a member is there and not null."""
    return isinstance(member, Raw) and bytes(member) != b"null"


class User(Struct, frozen=True):
    """An account; its name and public e-mail come only where it is asked for by itself."""

    id: int
    login: str
    name: str | None = None
    email: str | None = None


class Permissions(Struct, frozen=True):
    """What the token may do in a repository."""

    push: bool = False


class Repository(Struct, frozen=True):
    """``/repos/:owner/:repo``, and ``/repositories/:id``; permissions come where there is a token."""

    id: int
    full_name: str
    description: str | None = None
    private: bool = False
    default_branch: str | None = None
    html_url: str = ""
    clone_url: str = ""
    has_issues: bool = True
    has_wiki: bool = False
    permissions: Permissions = Permissions()


class Label(Struct, frozen=True):
    """A label of the repository."""

    name: str
    color: str | None = None
    description: str | None = None


class LabelName(Struct, frozen=True):
    """A label of an issue or a pull request, by its name, which GitHub's description lets be null."""

    name: str | None = None


class Milestone(Struct, frozen=True):
    """A milestone."""

    number: int
    title: str
    state: str
    created_at: datetime
    updated_at: datetime
    description: str | None = None
    due_on: datetime | None = None


class Asset(Struct, frozen=True):
    """A file of a release."""

    id: int
    name: str
    browser_download_url: str
    created_at: datetime
    updated_at: datetime


class Release(Struct, frozen=True):
    """A release; a draft has not been published."""

    tag_name: str
    created_at: datetime
    name: str | None = None
    body: str | None = None
    author: User | None = None
    published_at: datetime | None = None
    assets: Sequence[Asset] = ()


class NumberedMilestone(Struct, frozen=True):
    """The milestone of an issue or a pull request, by its number."""

    number: int


class Issue(Struct, frozen=True):
    """An issue; with ``pull_request``, a pull request as the list of issues has it."""

    number: int
    title: str
    state: str
    created_at: datetime
    updated_at: datetime
    user: User | None = None
    body: str | None = None
    labels: Sequence[LabelName | str] = ()
    assignees: Sequence[User] | None = None
    milestone: NumberedMilestone | None = None
    closed_at: datetime | None = None
    closed_by: User | None = None
    pull_request: Raw | UnsetType = UNSET

    @property
    def is_pull_request(self) -> bool:
        """Whether it is one: the list of issues has both."""
        return is_given(self.pull_request)


class NumberedRepository(Struct, frozen=True):
    """A repository, by its number."""

    id: int


class Side(Struct, frozen=True):
    """The head or the base of a pull request; ``repo`` is null where the fork is gone, ``user`` its owner."""

    ref: str
    sha: str
    repo: NumberedRepository | None = None
    user: User | None = None


class PullRequest(Struct, frozen=True):
    """A pull request; ``commits`` and ``changed_files`` come only where it is asked for by itself."""

    number: int
    title: str
    state: str
    created_at: datetime
    updated_at: datetime
    head: Side
    base: Side
    user: User | None = None
    body: str | None = None
    labels: Sequence[LabelName] = ()
    assignees: Sequence[User] | None = None
    milestone: NumberedMilestone | None = None
    draft: bool | None = None
    closed_at: datetime | None = None
    merged_at: datetime | None = None
    merge_commit_sha: str | None = None
    commits: int = 0
    changed_files: int = 0


class ReviewComment(Struct, frozen=True):
    """A comment on a line of a pull request, or on a file; an outdated one has no ``line``."""

    id: int
    path: str
    created_at: datetime
    updated_at: datetime
    original_commit_id: str
    diff_hunk: str | None = None
    body: str | None = None
    user: User | None = None
    side: str | None = None
    line: int | None = None
    start_line: int | None = None
    original_line: int | None = None
    original_start_line: int | None = None
    in_reply_to_id: int | None = None
    subject_type: str | None = None


class Collaborator(Struct, frozen=True):
    """Who was given a role in the repository; organisations have roles of their own.

    The public e-mail is not in GitHub's list: it comes where an account is asked for by itself.
    """

    id: int
    login: str
    role_name: str
    email: str | None = None

    @property
    def user(self) -> User:
        """The account."""
        return User(self.id, self.login, email=self.email)


class Enabled(Struct, frozen=True):
    """A switch of a protection."""

    enabled: bool = False


class RequiredReviews(Struct, frozen=True):
    """What reviews a protected branch wants."""

    require_code_owner_reviews: bool = False


class BranchProtection(Struct, frozen=True):
    """``/branches/:branch/protection``."""

    required_pull_request_reviews: RequiredReviews | None = None
    allow_force_pushes: Enabled | None = None
    required_conversation_resolution: Enabled | None = None
