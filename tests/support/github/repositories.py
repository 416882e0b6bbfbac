"""Repositories of the GitHub for tests; their methods make what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.support.github.issues import Issue, Pull, Side
from tests.support.github.records import (
    GHOST,
    Comment,
    Label,
    Milestone,
    Release,
    Stamp,
    User,
    sha_of,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Protection:
    needs_reviews: bool = False
    allows_force_push: bool = False
    needs_resolved_conversations: bool = False
    contexts: tuple[str, ...] = ()


@dataclass(slots=True)
class Branch:
    name: str
    sha: str
    protection: Protection | None = None


@dataclass(slots=True)
class Collaborator:
    """``role`` is read, triage, write, maintain, admin, or the name of a custom role."""

    user: User
    role: str
    is_outside: bool = False


@dataclass(slots=True, kw_only=True)
class Repository:
    """A repository; its methods make what is in it."""

    owner: User
    name: str
    description: str | None = None
    is_private: bool = False
    fork_of: Repository | None = None
    has_wiki: bool = False
    default_branch: str = "main"
    labels: list[Label] = field(default_factory=list)
    milestones: list[Milestone] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    issues: Sequence[Issue] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)
    collaborators: list[Collaborator] = field(default_factory=list)
    stamp: Stamp = field(default_factory=Stamp.fresh)

    @property
    def path(self) -> str:
        return f"{self.owner.login}/{self.name}"

    @property
    def pulls(self) -> list[Pull]:
        return [each for each in self.issues if isinstance(each, Pull)]

    def comments(self) -> Sequence[tuple[Issue, Comment]]:
        """Give the comments of all issues and pull requests, in the order of their times."""
        every = [(issue, comment) for issue in self.issues for comment in issue.comments]
        return sorted(every, key=lambda each: each[1].stamp.at)

    def label(self, name: str, **more: Any) -> Label:
        self.labels.append(Label(name, **more))
        return self.labels[-1]

    def milestone(self, title: str, **more: Any) -> Milestone:
        self.milestones.append(Milestone(len(self.milestones) + 1, title, **more))
        return self.milestones[-1]

    def release(self, tag: str, *, by: User, name: str | None = None, body: str | None = None) -> Release:
        self.releases.append(Release(tag, name, body, by))
        return self.releases[-1]

    def issue(self, title: str, *, by: User | None = GHOST, labels: Iterable[str] = (), **more: Any) -> Issue:
        made = Issue(number=len(self.issues) + 1, title=title, user=by, labels=self._labelled(labels), **more)
        return self._add(made)

    def pull(
        self,
        title: str,
        *,
        by: User | None = GHOST,
        branch: str = "feature",
        into: str = "",
        fork: Repository | None = None,
        labels: Iterable[str] = (),
        **more: Any,
    ) -> Pull:
        """Make a pull request of a branch here, or of a fork; ``head`` says anything else."""
        base = into or self.default_branch
        source = fork or self
        sides = {
            "head": Side(branch, sha_of(f"{source.path} {branch}"), source.owner, source),
            "base": Side(base, sha_of(f"{self.path} {base}"), self.owner, self),
        }
        number = len(self.issues) + 1
        return self._add(
            Pull(number=number, title=title, user=by, labels=self._labelled(labels), **(sides | more))
        )

    def branch(self, name: str, protection: Protection | None = None, *, sha: str = "") -> Branch:
        self.branches.append(Branch(name, sha or sha_of(f"{self.path} {name}"), protection))
        return self.branches[-1]

    def collaborator(self, user: User, role: str, *, is_outside: bool = False) -> Repository:
        self.collaborators.append(Collaborator(user, role, is_outside))
        return self

    def numbered(self, number: int) -> Issue | None:
        """Give the issue or pull request of a number."""
        return self.issues[number - 1] if 0 < number <= len(self.issues) else None

    def _labelled(self, names: Iterable[str]) -> list[Label]:
        known = {each.name: each for each in self.labels}
        return [known.get(name) or self.label(name) for name in names]

    def _add(self, made: T) -> T:
        assert isinstance(self.issues, list)
        self.issues.append(made)
        return made
