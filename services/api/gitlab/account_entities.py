"""JSON of other users, members and tokens. The keys are in GitLab's order."""

from __future__ import annotations

from collections.abc import Mapping

from services.api.gitlab.requests.accounts import PROVIDER
from services.api.http.responses import timestamp
from shared.accounts.members import Member
from shared.accounts.models import AccessToken, User


def basic_user(user: User, *, external_url: str) -> dict[str, object]:
    """Make a user as shown in lists."""
    return {
        "id": user.id,
        "username": user.username,
        "public_email": None,
        "name": user.name,
        "state": user.state,
        "locked": False,
        "avatar_url": None,
        "web_url": f"{external_url}/{user.username}",
    }


def public_user(user: User, *, external_url: str) -> dict[str, object]:
    """Make a single user as shown to everybody."""
    return basic_user(user, external_url=external_url) | {
        "created_at": timestamp(user.created_at),
        "bot": user.bot,
    }


def detailed_user(user: User, *, subjects: Mapping[int, str], external_url: str) -> dict[str, object]:
    """Make a user as shown to administrators. ``subjects``: who users are at the provider, by id."""
    subject = subjects.get(user.id)
    return public_user(user, external_url=external_url) | {
        "email": user.email,
        "projects_limit": user.projects_limit,
        "identities": [] if subject is None else [{"provider": PROVIDER, "extern_uid": subject}],
        "is_admin": user.is_admin,
    }


def member_entity(member: Member, *, external_url: str) -> dict[str, object]:
    """Make a member of a project or of a group."""
    return basic_user(member.user, external_url=external_url) | {
        "access_level": int(member.level),
        "created_at": timestamp(member.created_at),
        "expires_at": member.expires_at.isoformat() if member.expires_at else None,
        "membership_state": "active",
    }


def token_entity(token: AccessToken) -> dict[str, object]:
    """Make a personal access token, without its text."""
    return {
        "id": token.id,
        "name": token.name,
        "revoked": token.revoked,
        "created_at": timestamp(token.created_at),
        "description": None,
        "scopes": list(token.scopes),
        "user_id": token.user.id,
        "last_used_at": None,
        "active": not (token.revoked or token.expired),
        "expires_at": token.expires_at.date().isoformat() if token.expires_at else None,
    }
