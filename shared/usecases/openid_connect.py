"""Signs users in by OpenID Connect: whom the provider knows, and the roles that it gives them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from shared.accounts import sessions
from shared.accounts.errors import UserBlocked, UsernameTaken
from shared.accounts.identities import (
    add_identity,
    create_session_token,
    find_by_identity,
    set_administrator,
)
from shared.accounts.members import LastOwner, MemberSource, change_member, remove_member
from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import find_namespace_by_path
from shared.accounts.rate_limits import RateLimits
from shared.accounts.sessions import Visitor
from shared.accounts.users import create_user
from shared.database.pool import Connection, Pool
from shared.database.transactions import transaction
from shared.openid.errors import IdTokenRefused, OpenIdOff, ProviderRefused, SignInStale, UserNotKnown
from shared.openid.flow import Flow
from shared.openid.provider import Provider
from shared.usecases.browser_sessions import LASTS, MOST_SESSIONS

_MOST_GROUPS = 10_000
"""Groups of one user that are read, at most."""
_MOST_NAMES = 100
"""User names that are tried for a new user."""
_LONGEST_NAME = 255
_NO_NAME = re.compile(r"[^A-Za-z0-9_.\-]+")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRole:
    """Who is in ``group`` at the provider has ``level`` in the group ``path`` here."""

    group: str
    path: str
    level: AccessLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdRules:
    """What follows from what the provider says. Without ``administrators``, it makes nobody one.

    ``name`` is on the button. Groups that ``roles`` name are the provider's: who is in none of their groups
    there is no member here.
    """

    name: str = "OpenID Connect"
    groups_claim: str = "groups"
    administrators: frozenset[str] = frozenset()
    roles: tuple[GroupRole, ...] = ()
    creates_users: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdAnswer:
    """What the provider sent the browser back with; ``flow`` is that of the browser's cookie."""

    flow: Flow | None
    state: str
    code: str
    issuer: str | None = None
    error: str | None = field(default=None)


class OpenIdConnect:
    """Begins sign-ins, and finishes them with a session. Raises OpenIdOff without a provider."""

    def __init__(
        self, pool: Pool, limits: RateLimits, provider: Provider | None, *, rules: OpenIdRules, failures: int
    ) -> None:
        """Make the use case. In a minute, ``failures`` may fail from one address."""
        self._pool = pool
        self._limits = limits
        self._provider = provider
        self._rules = rules
        self._failures = failures

    @property
    def name(self) -> str | None:
        """What the way to sign in is called; None where there is none."""
        return self._rules.name if self._provider else None

    async def begin(self, flow: Flow, *, redirect_uri: str) -> str:
        """Return where the browser goes. Raises ProviderAway."""
        return await self._require().begin(flow, redirect_uri=redirect_uri)

    async def finish(
        self, answer: OpenIdAnswer, visitor: Visitor, *, redirect_uri: str, instead_of: str | None
    ) -> str:
        """Begin a session, end the session ``instead_of`` if there is one, and return the new secret.

        Raises SignInStale, ProviderRefused, IdTokenRefused, UserNotKnown, UserBlocked, ProviderAway and
        RateLimited.
        """
        try:
            claims = await self._ask(answer, redirect_uri)
        except (SignInStale, ProviderRefused, IdTokenRefused):
            await self._limits.count("web_sign_in", visitor.address, limit=self._failures)
            raise
        async with transaction(self._pool) as db:
            user = await self._find_user(db, claims)
            await self._give_roles(db, user, claims)
            token_id = await create_session_token(db, user.id, name=self._rules.name, lasts=LASTS)
            if instead_of:
                await sessions.end_session(db, instead_of)
            secret = await sessions.create_session(db, token_id, visitor, lasts=LASTS)
            await sessions.end_surplus_sessions(db, token_id, most=MOST_SESSIONS)
            return secret

    def _require(self) -> Provider:
        if self._provider is None:
            raise OpenIdOff
        return self._provider

    async def _ask(self, answer: OpenIdAnswer, redirect_uri: str) -> Mapping[str, object]:
        provider = self._require()
        if answer.flow is None or not answer.flow.holds(answer.state):
            raise SignInStale
        if answer.issuer not in (None, provider.issuer):  # RFC 9207
            raise ProviderRefused("another provider has answered")
        if answer.error or not answer.code:
            raise ProviderRefused((answer.error or "it sent no code")[:100])
        return await provider.finish(answer.flow, answer.code, redirect_uri=redirect_uri)

    async def _find_user(self, db: Connection, claims: Mapping[str, object]) -> User:
        issuer, subject = self._require().issuer, str(claims["sub"])
        user = await find_by_identity(db, issuer, subject)
        if user is not None and user.blocked:
            raise UserBlocked
        if user is not None:
            return user
        if not self._rules.creates_users:
            raise UserNotKnown
        user = await _create(db, claims)
        await add_identity(db, user.id, issuer, subject)
        return user

    async def _give_roles(self, db: Connection, user: User, claims: Mapping[str, object]) -> None:
        """Give what the provider's groups give, and take what they no longer do."""
        groups = _groups(claims.get(self._rules.groups_claim))
        if self._rules.administrators:
            is_admin = not groups.isdisjoint(self._rules.administrators)
            await set_administrator(db, user.id, is_admin=is_admin)
        levels: dict[str, AccessLevel] = {}
        for role in self._rules.roles:
            level = role.level if role.group in groups else AccessLevel.NONE
            levels[role.path] = max(level, levels.get(role.path, AccessLevel.NONE))
        for path, level in sorted(levels.items()):
            await _set_level(db, user, path, level)


async def _set_level(db: Connection, user: User, path: str, level: AccessLevel) -> None:
    """Set the level in a group that is there; the last owner of one keeps it, as in GitLab."""
    group = await find_namespace_by_path(db, path)
    if group is None or group.owner_id is not None:
        _log.warning("openid_group_missing", group=path)
        return
    source = MemberSource(namespace_id=group.id)
    try:
        async with db.transaction():
            if level is AccessLevel.NONE:
                await remove_member(db, source, user.id)
                return
            await change_member(db, source, user.id, level=level, expires_at=None)
            await add_member(db, user.id, namespace_id=group.id, level=level)
    except LastOwner:
        _log.warning("openid_last_owner", group=path, user=user.username)


async def _create(db: Connection, claims: Mapping[str, object]) -> User:
    """Create a user under the name that the provider says, or under one with a number behind it."""
    wanted = _username(claims)
    email = _text(claims.get("email")) if claims.get("email_verified") is True else None
    name = _text(claims.get("name")) or wanted
    for number in range(_MOST_NAMES):
        username = f"{wanted}{number}" if number else wanted
        try:
            async with db.transaction():
                return await create_user(db, username, name=name, email=email)
        except UsernameTaken:
            continue
    raise UsernameTaken(wanted)


def _username(claims: Mapping[str, object]) -> str:
    """Return a name that GitLab would take: of the claims that name the user, the first that has one."""
    email = _text(claims.get("email")) or ""
    for given in (claims.get("preferred_username"), claims.get("nickname"), email, claims.get("sub")):
        name = _NO_NAME.sub("-", (_text(given) or "").partition("@")[0]).strip("-._")[: _LONGEST_NAME - 3]
        if name and not name.endswith((".git", ".atom")):
            return name
    return "user"


def _text(given: object) -> str | None:
    return given.replace("\0", "").strip()[:_LONGEST_NAME] or None if isinstance(given, str) else None


def _groups(given: object) -> frozenset[str]:
    """Return the names of a claim: a list of texts, or one text."""
    listed: Iterable[object] = given[:_MOST_GROUPS] if isinstance(given, list) else [given]
    return frozenset(each for each in listed if isinstance(each, str))
