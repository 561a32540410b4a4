"""The caller's webhooks."""

from __future__ import annotations

from typing import Any

from api.blueprint import Blueprint
from api.context import origin, principal, services
from api.schemas.envelope import PageQuery
from api.schemas.webhooks import DeletedWebhookSchema, DeliverySchema, NewWebhookSchema, WebhookSchema
from services.notifications.webhooks import Delivery, Webhook
from utils.pages import Page

blueprint = Blueprint("webhooks", "Addresses that are told what happens, signed and again until they take it")

WEBHOOKS = "/api/webhooks"
WEBHOOK = f"{WEBHOOKS}/<webhook_id>"


@blueprint.route(WEBHOOKS, permission="webhooks:read")
@blueprint.response(200, WebhookSchema, many=True)
def list_webhooks() -> list[Webhook]:
    """List the caller's webhooks, oldest first."""
    return services.webhooks.list(principal)


@blueprint.route(WEBHOOKS, method="POST", permission="webhooks:write", errors=(409,))
@blueprint.arguments(NewWebhookSchema)
@blueprint.response(201, WebhookSchema)
def create_webhook(new: dict[str, str]) -> tuple[Webhook, int]:
    """Add a webhook; its secret is shown only once.

    `X-Webhook-Signature` is `sha256=` and the HMAC-SHA256, in hexadecimal digits, of `X-Webhook-Timestamp` (Unix
    seconds), a point and the body. What was not answered with 2xx within 10 seconds is sent again, ten times in all,
    under the same `X-Webhook-Id`: it may come twice. Redirects are not followed.
    """
    return services.webhooks.create(principal, origin(), new["url"]), 201


@blueprint.route(WEBHOOK, method="DELETE", permission="webhooks:write")
@blueprint.response(200, DeletedWebhookSchema)
def delete_webhook(webhook_id: str) -> dict[str, str]:
    """Delete a webhook with its log."""
    services.webhooks.delete(principal, origin(), webhook_id)
    return {"id": webhook_id}


@blueprint.route(f"{WEBHOOK}/test", method="POST", permission="webhooks:write", errors=(409,))
@blueprint.response(202, DeliverySchema)
def test_webhook(webhook_id: str) -> tuple[Delivery, int]:
    """Send a test to a webhook, one at a time; its deliveries show what became of it."""
    return services.webhooks.test(principal, webhook_id), 202


@blueprint.route(f"{WEBHOOK}/deliveries", permission="webhooks:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, DeliverySchema, paged=True)
def list_webhook_deliveries(query: dict[str, Any], webhook_id: str) -> Page[Delivery]:
    """List the deliveries to a webhook in the last 30 days, newest first."""
    return services.webhooks.deliveries(principal, webhook_id, **query)
