"""A small repository with one of everything, and everything that GitHub says null of."""

from __future__ import annotations

from tests.support.github.github import GitHub
from tests.support.github.issues import Pull, Side
from tests.support.github.records import Review
from tests.support.github.repositories import Protection, Repository


def everything(github: GitHub) -> Repository:
    """Put octo/everything on a GitHub."""
    octo = github.user("octo", name="The Octopus", email="octo@example.com")
    repository = github.repository("octo/everything", description="One of each", has_wiki=True)
    bug = repository.label("bug", description="It does not work")
    first = repository.milestone("1.0", creator=octo)
    repository.milestone("0.9", state="closed", due_on=first.stamp.at)
    repository.release("v1.0", by=octo, name="One", body="The first").asset("one.txt", b"one", "text/plain")
    repository.releases[-1].is_prerelease = True
    repository.release("v2.0", by=octo).is_draft = True
    repository.branch("main", Protection(needs_reviews=True, contexts=("ci",)))
    repository.branch("release/1", Protection(allows_force_push=True))
    repository.branch("feature")
    for role in ("read", "triage", "write", "maintain", "admin", "auditor"):
        repository.collaborator(github.user(role), role, is_outside=role == "read")
    issue = repository.issue("It stops", by=octo, labels=["bug", "plain"], milestone=first, body="Why?")
    issue.assignees.append(octo)
    issue.comment("Because", by=octo).comment("A ghost wrote this").close(by=octo)
    _events(repository, github)
    _pulls(repository, github)
    assert bug in issue.labels
    return repository


def _events(repository: Repository, github: GitHub) -> None:
    """Add an issue with an event of each kind by somebody, and by an account that was deleted."""
    octo = github.user("octo")
    issue = repository.issue("Events", by=octo)
    label, milestone = {"name": "bug", "color": "d73a4a"}, {"title": "1.0"}
    for actor in (octo, None):
        for name in ("labeled", "unlabeled"):
            issue.event(name, by=actor, label=label)
        for name in ("milestoned", "demilestoned"):
            issue.event(name, by=actor, milestone=milestone)
        for name in ("assigned", "unassigned"):
            issue.event(name, by=actor, assignee=actor)
        issue.event("renamed", by=actor, rename={"from": "a", "to": "b"})
        issue.event("locked", by=actor, lock_reason="spam")
        issue.event("closed", by=actor).event("reopened", by=actor)
        issue.event("cross-referenced", by=actor, source=repository.issues[0])
        issue.event("mentioned", by=actor)


def _pulls(repository: Repository, github: GitHub) -> None:
    """Add pull requests: merged, of forks that are there or gone, with reviews, remarks, requests."""
    octo, ann = github.user("octo"), github.user("ann")
    merged = repository.pull("Better", by=ann, labels=["bug", "plain"])
    merged.review("APPROVED", "Good", by=octo).remark("A line", by=octo)
    merged.remark("A reply", by=ann, reply_to=merged.review_comments[0].stamp.id, start_line=1, line=3)
    merged.review("COMMENTED").remark("Outdated", line=None).remark("Of the file", subject="file")
    merged.event("review_dismissed", by=octo, dismissed_review=_dismissed(merged.reviews[0]))
    merged.event("review_dismissed", dismissed_review=_dismissed(merged.reviews[1]))
    merged.merge(by=octo)
    fork = github.repository("ann/everything", fork_of=repository)
    forked = repository.pull("From a fork", by=ann, fork=fork, is_draft=True)
    forked.requested.append(octo)
    for reviewer in (octo, None):
        for name in ("review_requested", "review_request_removed"):
            forked.event(name, by=reviewer, review_requester=reviewer, requested_reviewer=reviewer)
    _gone(repository.pull("The fork is gone", by=ann), ann_is_there=True)
    _gone(repository.pull("So is its account"), ann_is_there=False).close()


def _gone(pull: Pull, *, ann_is_there: bool) -> Pull:
    pull.head = Side("patch-1", pull.head.sha, pull.user if ann_is_there else None, None)
    return pull


def _dismissed(review: Review) -> dict[str, object]:
    return {"state": review.state.lower(), "review_id": review.stamp.id, "dismissal_message": None}
