"""Repositories and their records as GitHub's REST API writes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeAlias
from urllib.parse import quote

from tests.support.github.records import Asset, Label, Milestone, Release, Stamp, User
from tests.support.github.repositories import Branch, Collaborator, Protection, Repository

Json: TypeAlias = dict[str, Any]

_OF_A_USER = {
    "followers": "/followers", "following": "/following{/other_user}", "gists": "/gists{/gist_id}",
    "starred": "/starred{/owner}{/repo}", "subscriptions": "/subscriptions", "organizations": "/orgs",
    "repos": "/repos", "events": "/events{/privacy}", "received_events": "/received_events",
}  # fmt: skip
_OF_A_REPOSITORY = {
    "archive": "/{archive_format}{/ref}", "assignees": "/assignees{/user}", "blobs": "/git/blobs{/sha}",
    "branches": "/branches{/branch}", "collaborators": "/collaborators{/collaborator}",
    "comments": "/comments{/number}", "commits": "/commits{/sha}", "compare": "/compare/{base}...{head}",
    "contents": "/contents/{+path}", "contributors": "/contributors", "deployments": "/deployments",
    "downloads": "/downloads", "events": "/events", "forks": "/forks", "git_commits": "/git/commits{/sha}",
    "git_refs": "/git/refs{/sha}", "git_tags": "/git/tags{/sha}", "hooks": "/hooks",
    "issue_comment": "/issues/comments{/number}", "issue_events": "/issues/events{/number}",
    "issues": "/issues{/number}", "keys": "/keys{/key_id}", "labels": "/labels{/name}",
    "languages": "/languages", "merges": "/merges", "milestones": "/milestones{/number}",
    "notifications": "/notifications{?since,all,participating}", "pulls": "/pulls{/number}",
    "releases": "/releases{/id}", "stargazers": "/stargazers", "statuses": "/statuses/{sha}",
    "subscribers": "/subscribers", "subscription": "/subscription", "tags": "/tags", "teams": "/teams",
    "trees": "/git/trees{/sha}",
}  # fmt: skip
_ROLES = {"read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5}
_PERMISSIONS = ("pull", "triage", "push", "maintain", "admin")


@dataclass(frozen=True, slots=True)
class Site:
    """Where the API, the web site and the repositories are, without a slash at their ends."""

    api: str
    web: str
    git: str


@dataclass(frozen=True, slots=True)
class RepositoryRendering:
    """Writes repositories, and what is in them but for issues, with the addresses of a site."""

    site: Site

    def user(self, user: User | None) -> Json | None:
        return None if user is None else self.known_user(user)

    def known_user(self, user: User) -> Json:
        base = f"{self.site.api}/users/{user.login}"
        return {
            "login": user.login, "id": user.id, "node_id": f"U_{user.id}",
            "avatar_url": f"{self.site.web}/avatars/{user.id}", "gravatar_id": "", "url": base,
            "html_url": f"{self.site.web}/{user.login}", "type": "User", "site_admin": False,
            **{f"{name}_url": base + path for name, path in _OF_A_USER.items()},
        }  # fmt: skip

    def public_user(self, user: User) -> Json:
        return self.known_user(user) | {
            "user_view_type": "public", "name": user.name, "email": user.email, "company": None, "blog": None,
            "location": None, "hireable": None, "bio": None, "public_repos": 0, "public_gists": 0,
            "followers": 0, "following": 0, **times(Stamp(user.id)),
        }  # fmt: skip

    def collaborator(self, one: Collaborator) -> Json:
        rank = _ROLES.get(one.role, 3)
        permissions = {name: rank >= least for least, name in enumerate(_PERMISSIONS, 1)}
        return self.known_user(one.user) | {"permissions": permissions, "role_name": one.role}

    def repository(self, repository: Repository, *, is_full: bool = True) -> Json:
        api, web = self.address(repository), f"{self.site.web}/{repository.path}"
        clone = f"{self.site.git}/{repository.path}.git"
        brief = {
            **own(repository.stamp, api, "R"), "name": repository.name, "full_name": repository.path,
            "owner": self.known_user(repository.owner), "private": repository.is_private, "html_url": web,
            "description": repository.description, "fork": repository.fork_of is not None,
            **{f"{name}_url": api + path for name, path in _OF_A_REPOSITORY.items()},
            "git_url": clone, "ssh_url": clone, "clone_url": clone, "svn_url": web, "mirror_url": None,
            "homepage": None, "language": None, "forks_count": 0, "stargazers_count": 0, "watchers_count": 0,
            "size": 0, "default_branch": repository.default_branch, "open_issues_count": 0,
            "has_issues": True, "has_projects": False, "has_wiki": repository.has_wiki, "has_pages": False,
            "has_downloads": False, "has_discussions": False, "archived": False, "disabled": False,
            "visibility": "private" if repository.is_private else "public", "license": None, "forks": 0,
            "open_issues": 0, "watchers": 0, **times(repository.stamp),
            "pushed_at": at(repository.stamp.at),
        }  # fmt: skip
        return brief | self._whole(repository) if is_full else brief

    def _whole(self, repository: Repository) -> Json:
        parent = repository.fork_of and self.repository(repository.fork_of, is_full=False)
        mine = {"permissions": dict.fromkeys(_PERMISSIONS, True)}
        counts = {"subscribers_count": 0, "network_count": 0}
        return counts | mine | ({"parent": parent} if parent else {})

    def label(self, repository: Repository, label: Label) -> Json:
        return {
            **own(label.stamp, f"{self.address(repository)}/labels/{label.stamp.id}", "LA"),
            "name": label.name, "description": label.description, "color": label.color, "default": False,
        }  # fmt: skip

    def milestone(self, repository: Repository, milestone: Milestone) -> Json:
        base = f"{self.address(repository)}/milestones/{milestone.number}"
        is_closed = milestone.state == "closed"
        return {
            **own(milestone.stamp, base, "MI"), "labels_url": f"{base}/labels", "number": milestone.number,
            "html_url": f"{self.site.web}/{repository.path}/milestone/{milestone.number}",
            "title": milestone.title, "description": milestone.description, "state": milestone.state,
            "creator": self.user(milestone.creator), "open_issues": 0, "closed_issues": 0,
            **times(milestone.stamp), "closed_at": at(milestone.stamp.at) if is_closed else None,
            "due_on": milestone.due_on and at(milestone.due_on),
        }  # fmt: skip

    def release(self, repository: Repository, release: Release) -> Json:
        base = f"{self.address(repository)}/releases/{release.stamp.id}"
        web = f"{self.site.web}/{repository.path}"
        ball = None if release.is_draft else f"{self.address(repository)}/tarball/{release.tag}"
        return {
            **own(release.stamp, base, "RE"), "html_url": f"{web}/releases/tag/{release.tag}",
            "assets_url": f"{base}/assets", "upload_url": f"{base}/assets{{?name,label}}",
            "tarball_url": ball, "zipball_url": ball, "tag_name": release.tag,
            "target_commitish": repository.default_branch,
            "name": release.name, "body": release.body, "draft": release.is_draft,
            "prerelease": release.is_prerelease, "created_at": at(release.stamp.at),
            "published_at": None if release.is_draft else at(release.stamp.at),
            "author": self.known_user(release.author),
            "assets": [self.asset(repository, release, each) for each in release.assets],
        }  # fmt: skip

    def asset(self, repository: Repository, release: Release, asset: Asset) -> Json:
        place = f"{repository.path}/releases/download/{release.tag}/{asset.name}"
        return {
            **own(asset.stamp, f"{self.address(repository)}/releases/assets/{asset.stamp.id}", "RA"),
            "browser_download_url": f"{self.site.web}/{place}", "name": asset.name, "label": None,
            "state": "uploaded", "content_type": asset.kind, "size": len(asset.content),
            "digest": f"sha256:{sha256(asset.content).hexdigest()}", "download_count": 0,
            **times(asset.stamp), "uploader": self.user(release.author),
        }  # fmt: skip

    def branch(self, repository: Repository, branch: Branch) -> Json:
        base = f"{self.address(repository)}/branches/{quote(branch.name)}"
        protection = branch.protection
        checks = {"enforcement_level": "off", **_checks(protection.contexts if protection else ())}
        return {
            "name": branch.name, "protected": protection is not None, "protection_url": f"{base}/protection",
            "commit": {"sha": branch.sha, "url": f"{self.address(repository)}/commits/{branch.sha}"},
            "protection": {"enabled": protection is not None, "required_status_checks": checks},
        }  # fmt: skip

    def protection(self, repository: Repository, branch: Branch, protection: Protection) -> Json:
        base = f"{self.address(repository)}/branches/{quote(branch.name)}/protection"
        reviews = {
            "url": f"{base}/required_pull_request_reviews", "dismiss_stale_reviews": False,
            "require_code_owner_reviews": False, "required_approving_review_count": 1,
        }  # fmt: skip
        flags = {
            "required_linear_history": False, "allow_force_pushes": protection.allows_force_push,
            "allow_deletions": False, "block_creations": False, "lock_branch": False,
            "required_conversation_resolution": protection.needs_resolved_conversations,
        }  # fmt: skip
        return {
            "url": base, "enforce_admins": {"url": f"{base}/enforce_admins", "enabled": False},
            **({"required_pull_request_reviews": reviews} if protection.needs_reviews else {}),
            **({"required_status_checks": _checks(protection.contexts)} if protection.contexts else {}),
            **{name: {"enabled": is_on} for name, is_on in flags.items()},
        }  # fmt: skip

    def address(self, repository: Repository) -> str:
        """Give the address of a repository in the API."""
        return f"{self.site.api}/repos/{repository.path}"


def own(stamp: Stamp, url: str, prefix: str) -> Json:
    return {"id": stamp.id, "node_id": f"{prefix}_{stamp.id}", "url": url}


def times(stamp: Stamp, updated: datetime | None = None) -> Json:
    return {"created_at": at(stamp.at), "updated_at": at(updated or stamp.at)}


def _checks(contexts: tuple[str, ...]) -> Json:
    return {"contexts": list(contexts), "checks": [{"context": each, "app_id": None} for each in contexts]}


def at(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"
