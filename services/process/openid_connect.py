"""Makes the provider of OpenID Connect, and the rules for its users, of the settings."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import timedelta

from yarl import URL

from shared.accounts.models import AccessLevel
from shared.openid.provider import Client, Provider
from shared.outbound.policy import outbound_tls
from shared.remote.addresses import Policy
from shared.remote.client import Deadlines, RemoteClient
from shared.remote.resolver import SystemResolver
from shared.settings.environment import Settings
from shared.usecases.openid_connect import GroupRole, OpenIdRules

_SHORT = timedelta(seconds=5)


def make_provider(settings: Settings) -> Provider | None:
    """Make the provider; None where none is configured.

    The operator names it, so it may be at a local address, and without TLS where its issuer says so.
    """
    issuer = settings.openid_connect_issuer
    if not issuer:
        return None
    secret = settings.openid_connect_client_secret
    client = Client(
        issuer=issuer,
        client_id=settings.openid_connect_client_id,
        client_secret=secret.get_secret_value() if secret else None,
        scopes=settings.openid_connect_scopes,
    )
    schemes = ("https", "http") if URL(issuer).scheme == "http" else ("https",)
    remote = RemoteClient(
        Policy(schemes=schemes, allow_local=True),
        SystemResolver(),
        tls=outbound_tls(settings),
        deadlines=Deadlines(opening=_SHORT, idle=_SHORT, answer=_SHORT),
    )
    return Provider(remote, client)


def openid_rules(settings: Settings) -> OpenIdRules:
    """Read the rules."""
    return OpenIdRules(
        name=settings.openid_connect_name,
        groups_claim=settings.openid_connect_groups_claim,
        administrators=frozenset(_listed(settings.openid_connect_admin_groups)),
        roles=tuple(map(_role, _listed(settings.openid_connect_group_roles))),
        creates_users=settings.openid_connect_creates_users,
    )


def _listed(given: str) -> Iterator[str]:
    """Give what commas separate; a name in quotes may have commas (RFC 4180), as those of LDAP do."""
    (each,) = csv.reader([" ".join(given.split("\n"))], skipinitialspace=True)
    return filter(None, map(str.strip, each))


def _role(given: str) -> GroupRole:
    group, _, here = given.rpartition("=")
    path, _, role = here.rpartition(":")
    return GroupRole(group=group.strip(), path=path.strip(" /"), level=AccessLevel[role.strip().upper()])
