"""Issues and pull requests, and what happens to them, as GitHub's REST API writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.github.issues import Issue, Pull, Side
from tests.support.github.records import Comment, Event, Moment, Review, ReviewComment, User
from tests.support.github.rendering import Json, RepositoryRendering, at, own, times
from tests.support.github.repositories import Repository


class Rendering(RepositoryRendering):
    """Writes all records with the addresses of a site."""

    def issue(self, repository: Repository, issue: Issue) -> Json:
        base = f"{self.address(repository)}/issues/{issue.number}"
        web = f"{self.site.web}/{repository.path}"
        pull = self._pull_of_issue(repository, issue) if isinstance(issue, Pull) else {}
        return {
            **own(issue.stamp, base, "I"), "repository_url": self.address(repository),
            "labels_url": f"{base}/labels{{/name}}", "comments_url": f"{base}/comments",
            "events_url": f"{base}/events", "timeline_url": f"{base}/timeline",
            "html_url": f"{web}/{'pull' if pull else 'issues'}/{issue.number}",
            **self._described(repository, issue), "comments": len(issue.comments),
            "state_reason": "completed" if issue.state == "closed" and not pull else None, **pull,
        }  # fmt: skip

    def _described(self, repository: Repository, issue: Issue) -> Json:
        """What issues and pull requests have in common."""
        assignees = [self.known_user(each) for each in issue.assignees]
        return {
            "number": issue.number, "state": issue.state, "title": issue.title, "body": issue.body,
            "user": self.user(issue.user), "labels": [self.label(repository, each) for each in issue.labels],
            "assignee": assignees[0] if assignees else None, "assignees": assignees,
            "milestone": issue.milestone and self.milestone(repository, issue.milestone),
            "locked": issue.is_locked, "active_lock_reason": None, "author_association": "NONE",
            "closed_at": issue.closed and at(issue.closed), **times(issue.stamp, issue.updated),
        }  # fmt: skip

    def _pull_of_issue(self, repository: Repository, pull: Pull) -> Json:
        web = f"{self.site.web}/{repository.path}/pull/{pull.number}"
        addresses = {
            "url": f"{self.address(repository)}/pulls/{pull.number}", "html_url": web,
            "diff_url": f"{web}.diff", "patch_url": f"{web}.patch",
            "merged_at": pull.merged and at(pull.merged),
        }  # fmt: skip
        return {"pull_request": addresses, "draft": pull.is_draft}

    def pull(self, repository: Repository, pull: Pull) -> Json:
        """Write a pull request as lists have it."""
        addresses = self._pull_addresses(repository, pull)
        links = {
            name.removesuffix("_url"): {"href": address}
            for name, address in addresses.items()
            if name not in ("diff_url", "patch_url")
        }
        base = f"{self.address(repository)}/pulls/{pull.number}"
        return {
            **own(pull.stamp, base, "PR"), **addresses, **self._described(repository, pull),
            "merged_at": pull.merged and at(pull.merged), "draft": pull.is_draft, "auto_merge": None,
            "merge_commit_sha": pull.head.sha if pull.merged else None,
            "requested_reviewers": [self.known_user(each) for each in pull.requested], "requested_teams": [],
            "head": self._side(pull.head), "base": self._side(pull.base),
            "_links": links | {"self": {"href": base}},
        }  # fmt: skip

    def _pull_addresses(self, repository: Repository, pull: Pull) -> dict[str, str]:
        api, number = self.address(repository), pull.number
        web = f"{self.site.web}/{repository.path}/pull/{number}"
        return {
            "html_url": web, "diff_url": f"{web}.diff", "patch_url": f"{web}.patch",
            "issue_url": f"{api}/issues/{number}", "comments_url": f"{api}/issues/{number}/comments",
            "commits_url": f"{api}/pulls/{number}/commits", "statuses_url": f"{api}/statuses/{pull.head.sha}",
            "review_comments_url": f"{api}/pulls/{number}/comments",
            "review_comment_url": f"{api}/pulls/comments{{/number}}",
        }  # fmt: skip

    def whole_pull(self, repository: Repository, pull: Pull) -> Json:
        """Write a pull request as it has it by itself."""
        return self.pull(repository, pull) | {
            "merged": pull.merged is not None, "mergeable": None, "rebaseable": None,
            "mergeable_state": "unknown", "merged_by": self.user(pull.merged_by),
            "comments": len(pull.comments), "review_comments": len(pull.review_comments),
            "maintainer_can_modify": False, "commits": 1, "additions": 1, "deletions": 0, "changed_files": 1,
        }  # fmt: skip

    def _side(self, side: Side) -> Json:
        owner = side.owner.login if side.owner else "unknown"
        repository = side.repository and self.repository(side.repository, is_full=False)
        label = f"{owner}:{side.ref}"
        return {
            "label": label, "ref": side.ref, "sha": side.sha, "user": self.user(side.owner),
            "repo": repository,
        }  # fmt: skip

    def comment(self, repository: Repository, issue: Issue, comment: Comment) -> Json:
        api, web = self.address(repository), f"{self.site.web}/{repository.path}"
        number = comment.stamp.id
        return {
            **own(comment.stamp, f"{api}/issues/comments/{number}", "IC"), "body": comment.body,
            "html_url": f"{web}/issues/{issue.number}#issuecomment-{number}",
            "issue_url": f"{api}/issues/{issue.number}", "user": self.user(comment.user),
            "author_association": "NONE", **times(comment.stamp, comment.updated),
        }  # fmt: skip

    def review(self, repository: Repository, pull: Pull, review: Review) -> Json:
        pull_url = f"{self.address(repository)}/pulls/{pull.number}"
        web = f"{self.site.web}/{repository.path}/pull/{pull.number}#pullrequestreview-{review.stamp.id}"
        return {
            "id": review.stamp.id, "node_id": f"PRR_{review.stamp.id}", "user": self.user(review.user),
            "body": review.body, "state": review.state, "html_url": web, "pull_request_url": pull_url,
            "_links": {"html": {"href": web}, "pull_request": {"href": pull_url}},
            "submitted_at": at(review.stamp.at), "commit_id": pull.head.sha, "author_association": "NONE",
        }  # fmt: skip

    def review_comment(self, repository: Repository, pull: Pull, comment: ReviewComment) -> Json:
        number, api = comment.stamp.id, self.address(repository)
        base, pull_url = f"{api}/pulls/comments/{number}", f"{api}/pulls/{pull.number}"
        web = f"{self.site.web}/{repository.path}/pull/{pull.number}#discussion_r{number}"
        reply = {} if comment.reply_to is None else {"in_reply_to_id": comment.reply_to}
        return {
            **own(comment.stamp, base, "PRRC"), "html_url": web, "pull_request_url": pull_url,
            "_links": {"self": {"href": base}, "html": {"href": web}, "pull_request": {"href": pull_url}},
            "pull_request_review_id": comment.review_id, "diff_hunk": comment.hunk, "path": comment.path,
            "commit_id": pull.head.sha, "original_commit_id": pull.head.sha, "body": comment.body,
            "user": self.user(comment.user), "author_association": "NONE", **times(comment.stamp),
            "line": comment.line, "original_line": comment.line or 1, "side": comment.side,
            "start_line": comment.start_line, "original_start_line": comment.start_line,
            "start_side": comment.side if comment.start_line else None, "position": comment.line,
            "original_position": comment.line or 1, "subject_type": comment.subject, **reply,
        }  # fmt: skip

    def moment(self, repository: Repository, issue: Issue, moment: Moment) -> Json:
        """Write one moment of a timeline."""
        match moment:
            case Comment():
                comment = self.comment(repository, issue, moment)
                return comment | {"event": "commented", "actor": comment["user"]}
            case Review():
                assert isinstance(issue, Pull)
                review = self.review(repository, issue, moment)
                return review | {"event": "reviewed", "state": review["state"].lower()}
            case Event(name="cross-referenced"):
                return self._reference(repository, moment)
            case Event():
                return self.event(repository, moment)

    def _reference(self, repository: Repository, event: Event) -> Json:
        source = self.issue(event.more.get("repository") or repository, event.more["source"])
        return {
            "event": event.name, "actor": self.user(event.user), **times(event.stamp),
            "source": {"type": "issue", "issue": source},
        }  # fmt: skip

    def event(self, repository: Repository, event: Event) -> Json:
        return {
            **own(event.stamp, f"{self.address(repository)}/issues/events/{event.stamp.id}", "EV"),
            "actor": self.user(event.user), "event": event.name, "commit_id": None, "commit_url": None,
            "created_at": at(event.stamp.at), "performed_via_github_app": None, **self._members(event.more),
        }  # fmt: skip

    def _members(self, more: Mapping[str, Any]) -> Json:
        return {name: self.user(value) if isinstance(value, User) else value for name, value in more.items()}
