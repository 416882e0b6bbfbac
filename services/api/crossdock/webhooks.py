"""Webhooks: of a project, for its maintainers, and of all projects, for administrators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from services.api.application_settings import settings_for
from services.api.crossdock import webhook_fields
from services.api.crossdock.cursors import cut_of, paged
from services.api.crossdock.webhook_entities import delivery_entity, webhook_entity
from services.api.dependencies import DEPENDENCIES
from services.api.http import bodies
from services.api.http.errors import NotFound, Refused
from services.api.http.parameters import Checker, integer
from services.api.http.responses import json_response
from services.api.middleware.identify import require_caller
from services.api.permissions import administered_project, require_administrator
from shared.outbound.policy import outbound_policy
from shared.remote.client import RemoteClient
from shared.remote.errors import BlockedUrl
from shared.webhooks import signing, store
from shared.webhooks.models import Delivery, DeliveryState, Webhook

_Find = Callable[[web.Request], Awaitable[int | None]]
_STATES = {state.value: state for state in DeliveryState}
_BY_USER = "it was disabled by a user"


@dataclass(frozen=True, slots=True)
class WebhookHandlers:
    """The routes below ``webhooks``; ``find`` gives the project of the address, or None for all of them.

    It raises 401, 403 and 404 for those who may not change anything there: they do not see it either.
    """

    find: _Find

    async def index(self, request: web.Request) -> web.Response:
        """GET .../webhooks: all of them, a hundred at the most, the oldest first."""
        project_id = await self.find(request)
        found = await store.all_of(request.app[DEPENDENCIES].pool, project_id)
        return json_response([webhook_entity(each) for each in found])

    async def create(self, request: web.Request) -> web.Response:
        """POST .../webhooks; the answer alone has the secret."""
        project_id = await self.find(request)
        fields = webhook_fields.read(await bodies.parameters(request), is_new=True)
        url = fields.url or ""
        await _check_url(request, url)
        try:
            webhook = await store.create(
                request.app[DEPENDENCIES].pool,
                project_id=project_id,
                url=url,
                events=fields.events or webhook_fields.DEFAULT_EVENTS,
                description=fields.description or "",
                secret=fields.secret or signing.new_secret(),
            )
        except store.TooManyWebhooks as error:
            raise Refused(409, str(error)) from None
        except store.ProjectGone:
            raise NotFound("Project") from None
        location = {"Location": f"{request.app[DEPENDENCIES].config.external_url}{request.path}/{webhook.id}"}
        return json_response(webhook_entity(webhook, shows_secret=True), status=201, headers=location)

    async def show(self, request: web.Request) -> web.Response:
        """GET .../webhooks/:webhook_id."""
        return json_response(webhook_entity(await self._webhook(request)))

    async def update(self, request: web.Request) -> web.Response:
        """PUT .../webhooks/:webhook_id: what is given; ``enabled`` once more makes it try at once."""
        webhook = await self._webhook(request)
        fields = webhook_fields.read(await bodies.parameters(request), is_new=False)
        if fields.url is not None:
            await _check_url(request, fields.url)
        async with request.app[DEPENDENCIES].pool.acquire() as db, db.transaction():
            await store.change(db, webhook.id, fields.changes)
            if fields.secret is not None:
                await store.rotate(db, webhook.id, fields.secret)
            if fields.enabled:
                await store.enable(db, webhook.id)
            elif fields.enabled is not None:
                await store.disable(db, webhook.id, _BY_USER)
        return json_response(webhook_entity(await self._webhook(request)))

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE .../webhooks/:webhook_id, with the list of its deliveries."""
        webhook = await self._webhook(request)
        await store.delete(request.app[DEPENDENCIES].pool, webhook.id)
        return web.Response(status=204)

    async def rotate(self, request: web.Request) -> web.Response:
        """POST .../webhooks/:webhook_id/rotate: another secret; the one before signs for a day as well."""
        webhook = await self._webhook(request)
        secret = webhook_fields.read_secret(await bodies.parameters(request)) or signing.new_secret()
        await store.rotate(request.app[DEPENDENCIES].pool, webhook.id, secret)
        return json_response(webhook_entity(await self._webhook(request), shows_secret=True))

    async def deliveries(self, request: web.Request) -> web.Response:
        """GET .../webhooks/:webhook_id/deliveries, the newest first."""
        webhook = await self._webhook(request)
        cut = cut_of(request)
        checker = Checker(request.query)
        state = checker.choice("state", _STATES)
        checker.finish()
        found = await store.deliveries(
            request.app[DEPENDENCIES].pool, webhook.id, state=_STATES[state] if state else None,
            below=cut.behind, limit=cut.size + 1,
        )  # fmt: skip
        shown, headers = paged(request, cut, found, number=lambda each: each.id)
        return json_response([_shown(request, each) for each in shown], headers=headers)

    async def delivery(self, request: web.Request) -> web.Response:
        """GET .../webhooks/:webhook_id/deliveries/:delivery_id."""
        return json_response(_shown(request, await self._delivery(request)))

    async def send_again(self, request: web.Request) -> web.Response:
        """POST .../webhooks/:webhook_id/deliveries/:delivery_id/retry, whether or not it was taken."""
        delivery = await self._delivery(request)
        await store.send_again(request.app[DEPENDENCIES].pool, delivery.id)
        return json_response(_shown(request, await self._delivery(request)), status=202)

    async def _webhook(self, request: web.Request) -> Webhook:
        project_id = await self.find(request)
        number = integer(request.match_info["webhook_id"]) or 0
        webhook = await store.find(request.app[DEPENDENCIES].pool, project_id, number)
        if webhook is None:
            raise NotFound("Webhook")
        return webhook

    async def _delivery(self, request: web.Request) -> Delivery:
        webhook = await self._webhook(request)
        number = integer(request.match_info["delivery_id"]) or 0
        delivery = await store.find_delivery(request.app[DEPENDENCIES].pool, webhook.id, number)
        if delivery is None:
            raise NotFound("Delivery")
        return delivery


def _shown(request: web.Request, delivery: Delivery) -> dict[str, object]:
    return delivery_entity(delivery, source=request.app[DEPENDENCIES].config.external_url)


async def _check_url(request: web.Request, url: str) -> None:
    """Refuse what would be refused when it is sent to, as far as that can be told now. Raises 400."""
    policy = outbound_policy(await settings_for(request))
    client = RemoteClient(policy, request.app[DEPENDENCIES].config.remote_imports.resolver)
    try:
        await client.check(url)
    except BlockedUrl as error:
        raise Refused(400, {"url": [f"is blocked: {error.reason}"]}) from None


async def _project(request: web.Request) -> int:
    require_caller(request)
    project, _ = await administered_project(request)
    return project.id


async def _all_projects(request: web.Request) -> None:
    require_administrator(request)


OF_PROJECT = WebhookHandlers(_project)
OF_ALL = WebhookHandlers(_all_projects)
