"""Webhooks of a project, for its maintainers, and of all projects, for administrators."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from services.api.crossdock import webhook_fields
from services.api.crossdock.cursors import cursor_page_of, split_page
from services.api.crossdock.webhook_entities import delivery_entity, webhook_entity
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller
from services.api.http.parameters import ParameterReader, integer
from services.api.http.responses import CORRELATION_ID, external_url, json_response
from services.api.use_cases import use_cases
from shared.usecases.access import require_user
from shared.webhooks.models import DeliveryState, Webhook, WebhookDelivery

_STATES = {state.value: state for state in DeliveryState}


@dataclass(frozen=True, slots=True)
class WebhookHandlers:
    """The handlers of the routes below ``webhooks``: of a project if ``of_project``, else of all projects."""

    of_project: bool

    async def index(self, request: web.Request) -> web.Response:
        """GET .../webhooks: all, the oldest first (at most 100)."""
        found = await use_cases(request).webhooks.list(await self._project(request))
        return json_response([webhook_entity(each) for each in found])

    async def create(self, request: web.Request) -> web.Response:
        """POST .../webhooks. Only this response has the secret."""
        project_id = await self._project(request)
        fields = webhook_fields.read(await parameters(request), is_new=True)
        webhook, secret = await use_cases(request).webhooks.create(
            project_id, fields, events=webhook_fields.DEFAULT_EVENTS
        )
        location = {"Location": f"{external_url(request)}{request.path}/{webhook.id}"}
        return json_response(webhook_entity(webhook, secret=secret), status=201, headers=location)

    async def show(self, request: web.Request) -> web.Response:
        """GET .../webhooks/:webhook_id."""
        return json_response(webhook_entity(await self._webhook(request)))

    async def update(self, request: web.Request) -> web.Response:
        """PUT .../webhooks/:webhook_id: changes the given fields."""
        webhook = await self._webhook(request)
        fields = webhook_fields.read(await parameters(request), is_new=False)
        return json_response(webhook_entity(await use_cases(request).webhooks.change(webhook, fields)))

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE .../webhooks/:webhook_id: deletes the webhook and its deliveries."""
        await use_cases(request).webhooks.delete(await self._webhook(request))
        return web.Response(status=204)

    async def rotate(self, request: web.Request) -> web.Response:
        """POST .../webhooks/:webhook_id/rotate: the old secret also signs for one more day."""
        webhook = await self._webhook(request)
        given = webhook_fields.read_secret(await parameters(request))
        rotated, secret = await use_cases(request).webhooks.rotate(webhook, given)
        return json_response(webhook_entity(rotated, secret=secret))

    async def test(self, request: web.Request) -> web.Response:
        """POST .../webhooks/:webhook_id/test: sends a test event; ``Location`` is its delivery."""
        webhook, actor = await self._webhook(request), require_user(find_caller(request))
        delivery = await use_cases(request).webhooks.test(
            actor, webhook, correlation_id=request[CORRELATION_ID]
        )
        above = f"{external_url(request)}{request.path}".removesuffix("/test")
        location = {"Location": f"{above}/deliveries/{delivery.id}"}
        return json_response(_entity(request, delivery), status=202, headers=location)

    async def deliveries(self, request: web.Request) -> web.Response:
        """GET .../webhooks/:webhook_id/deliveries, the newest first."""
        webhook, cut = await self._webhook(request), cursor_page_of(request)
        found = await use_cases(request).webhooks.list_deliveries(
            webhook, state=_state(request), below=cut.behind, limit=cut.size + 1
        )
        shown, headers = split_page(request, cut, found, number=lambda each: each.id)
        return json_response([_entity(request, each) for each in shown], headers=headers)

    async def delivery(self, request: web.Request) -> web.Response:
        """GET .../webhooks/:webhook_id/deliveries/:delivery_id."""
        _, delivery = await self._delivery(request)
        return json_response(_entity(request, delivery))

    async def send_again(self, request: web.Request) -> web.Response:
        """POST .../webhooks/:webhook_id/deliveries/:delivery_id/retry, even after a success."""
        webhook, delivery = await self._delivery(request)
        again = await use_cases(request).webhooks.send_again(webhook, delivery)
        return json_response(_entity(request, again), status=202)

    async def _project(self, request: web.Request) -> int | None:
        """Return the project id of the address; None for all projects. Raises what ``find_project`` does."""
        reference = request.match_info["id"] if self.of_project else None
        return await use_cases(request).webhooks.find_project(find_caller(request), reference)

    async def _webhook(self, request: web.Request) -> Webhook:
        project_id = await self._project(request)
        number = integer(request.match_info["webhook_id"]) or 0
        return await use_cases(request).webhooks.show(project_id, number)

    async def _delivery(self, request: web.Request) -> tuple[Webhook, WebhookDelivery]:
        webhook = await self._webhook(request)
        number = integer(request.match_info["delivery_id"]) or 0
        return webhook, await use_cases(request).webhooks.show_delivery(webhook, number)


def _state(request: web.Request) -> DeliveryState | None:
    reader = ParameterReader(request.query)
    state = reader.choice("state", _STATES)
    reader.finish()
    return _STATES[state] if state else None


def _entity(request: web.Request, delivery: WebhookDelivery) -> dict[str, object]:
    return delivery_entity(delivery, source=external_url(request))


OF_PROJECT = WebhookHandlers(of_project=True)
OF_ALL = WebhookHandlers(of_project=False)
