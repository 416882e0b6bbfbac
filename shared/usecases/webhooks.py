"""Webhooks of a project, for its maintainers, and of all projects, for administrators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.accounts.models import User
from shared.accounts.rate_limits import RateLimits
from shared.database.pool import Connection, Pool
from shared.database.transactions import current, transaction
from shared.outbound.policy import outbound_policy
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.remote.client import RemoteClient
from shared.remote.errors import BlockedUrl
from shared.sealing.sealer import Sealer
from shared.usecases.access import find_maintained_project, require_administrator, require_user
from shared.usecases.errors import FieldsInvalid, NotFound
from shared.usecases.settings import InstanceSettings
from shared.webhooks import signing, store
from shared.webhooks.models import DeliveryState, Webhook, WebhookDelivery
from shared.webhooks.sealed_webhooks import WebhookSealer
from shared.webhooks.trial import queue_test

TESTS_PER_MINUTE = 5
"""Of one user, for the webhooks of a project, or for those of all projects: GitLab's limit."""

_BY_USER = "it was disabled by a user"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFields:
    """The fields of a webhook to set. None leaves a field as it is."""

    url: str | None
    events: Sequence[str] | None
    description: str | None
    enabled: bool | None
    secret: bytes | None = field(repr=False)

    @property
    def changes(self) -> Mapping[str, object]:
        """The given fields that are stored unchanged, by column."""
        given = {"events": self.events, "description": self.description}
        return {name: value for name, value in given.items() if value is not None}


class Webhooks:
    """Manages webhooks and their deliveries. Users see only webhooks that they may change.

    A project has at most ``limit`` webhooks, and so have all projects together.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        sealer: Sealer,
        settings: InstanceSettings,
        outbound: RemoteImportPolicy,
        limits: RateLimits,
        limit: int,
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._sealer = WebhookSealer(sealer)
        self._settings = settings
        self._outbound = outbound
        self.limit = limit

    async def find_project(self, actor: User | None, reference: str | None) -> int | None:
        """Return the id of the project; None, for all projects, without a ``reference``.

        Raises Unauthenticated, NotFound, MovedProject and Denied.
        """
        if reference is None:
            require_administrator(actor)
            return None
        return (await find_maintained_project(self._pool, require_user(actor), reference)).id

    async def list(self, project_id: int | None) -> list[Webhook]:
        """List all webhooks of the project, the oldest first: at most ``limit``."""
        return await store.list_all(self._pool, project_id)

    async def create(
        self, project_id: int | None, fields: WebhookFields, *, events: Sequence[str]
    ) -> tuple[Webhook, bytes]:
        """Create a webhook, for ``events`` unless the fields name others, and return it with its secret.

        Raises FieldsInvalid for its URL, TooManyWebhooks and NotFound.
        """
        url, secret = fields.url or "", fields.secret or signing.new_secret()
        await self._check_url(url)
        try:
            async with transaction(self._pool) as db:
                webhook = await store.create(
                    db,
                    project_id=project_id,
                    url=self._sealer.seal_url(url, project_id=project_id),
                    events=fields.events or events,
                    description=fields.description or "",
                    sealed_secret=self._sealer.seal_secret(secret, project_id=project_id),
                    limit=self.limit,
                )
        except store.WebhookProjectGone:
            raise NotFound("Project") from None
        return webhook, secret

    async def show(self, project_id: int | None, webhook_id: int) -> Webhook:
        """Return a webhook. Raises NotFound."""
        webhook = await store.find(current(self._pool), project_id, webhook_id)
        if webhook is None:
            raise NotFound("Webhook")
        return webhook

    async def change(self, webhook: Webhook, fields: WebhookFields) -> Webhook:
        """Change a webhook; setting ``enabled`` makes it retry at once. Raises FieldsInvalid, NotFound."""
        if fields.url is not None:
            await self._check_url(fields.url)
        async with self._pool.acquire() as db, db.transaction():
            await store.change(db, webhook.id, fields.changes)
            await self._change_secrets(db, webhook, fields)
            if fields.enabled:
                await store.enable(db, webhook.id)
            elif fields.enabled is not None:
                await store.disable(db, webhook.id, _BY_USER)
        return await self.show(webhook.project_id, webhook.id)

    async def _change_secrets(self, db: Connection, webhook: Webhook, fields: WebhookFields) -> None:
        owner = webhook.project_id
        if fields.url is not None:
            await store.change_url(db, webhook.id, self._sealer.seal_url(fields.url, project_id=owner))
        if fields.secret is not None:
            await store.rotate(db, webhook.id, self._sealer.seal_secret(fields.secret, project_id=owner))

    async def delete(self, webhook: Webhook) -> None:
        """Delete a webhook and its deliveries."""
        await store.delete(self._pool, webhook.id)

    async def rotate(self, webhook: Webhook, secret: bytes | None) -> tuple[Webhook, bytes]:
        """Set another secret, a random one if ``secret`` is None, and return the webhook with its secret.

        The old one also signs for one more day. Raises NotFound.
        """
        new = secret or signing.new_secret()
        sealed = self._sealer.seal_secret(new, project_id=webhook.project_id)
        async with transaction(self._pool) as db:
            await store.rotate(db, webhook.id, sealed)
        return await self.show(webhook.project_id, webhook.id), new

    async def list_deliveries(
        self, webhook: Webhook, *, state: DeliveryState | None, below: int | None, limit: int
    ) -> Sequence[WebhookDelivery]:
        """List deliveries with an id lower than ``below``, the newest first."""
        return await store.list_deliveries(self._pool, webhook.id, state=state, below=below, limit=limit)

    async def show_delivery(self, webhook: Webhook, delivery_id: int) -> WebhookDelivery:
        """Return a delivery. Raises NotFound."""
        delivery = await store.find_delivery(current(self._pool), webhook.id, delivery_id)
        if delivery is None:
            raise NotFound("Delivery")
        return delivery

    async def send_again(self, webhook: Webhook, delivery: WebhookDelivery) -> WebhookDelivery:
        """Schedule a delivery again, whether or not it succeeded. Raises NotFound."""
        async with transaction(self._pool) as db:
            await store.send_again(db, delivery.id)
        return await self.show_delivery(webhook, delivery.id)

    async def test(self, actor: User, webhook: Webhook, *, correlation_id: str) -> WebhookDelivery:
        """Send a test event, once, and return its delivery, which tells how it ended.

        Raises RateLimited and WebhookDisabled.
        """
        of = (actor.id, webhook.project_id or 0)
        await self._limits.count("web_hook_test", *of, limit=TESTS_PER_MINUTE)
        data = {"test": True, "webhook": {"id": webhook.id}}
        async with transaction(self._pool) as db:
            return await queue_test(db, webhook, data=data, correlation_id=correlation_id)

    async def _check_url(self, url: str) -> None:
        """Raise FieldsInvalid if the current settings do not permit deliveries to the URL."""
        policy = outbound_policy(await self._settings.current())
        try:
            await RemoteClient(policy, self._outbound.resolver).check(url)
        except BlockedUrl as error:
            raise FieldsInvalid({"url": [f"is blocked: {error.reason}"]}, cause=error) from None
