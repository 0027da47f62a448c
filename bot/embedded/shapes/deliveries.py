"""Webhook deliveries as JSON (`hook-delivery-item`, `hook-delivery`)."""

from typing import Any

from bot.embedded.outbox import Delivery
from bot.embedded.urls import iso


def item(value: Delivery) -> dict[str, Any]:
    """`hook-delivery-item`, the rows of the list."""
    return {
        "id": value.id,
        "guid": value.guid,
        "delivered_at": iso(value.delivered_at or value.created_at),
        "redelivery": value.redelivery,
        "duration": value.duration,
        "status": value.status,
        "status_code": value.status_code,
        "event": value.event,
        "action": value.action,
        "installation_id": value.installation_id,
        "repository_id": value.repository_id,
        "throttled_at": None,
    }


def full(value: Delivery) -> dict[str, Any]:
    """`hook-delivery`, with request and response."""
    return {
        **item(value),
        "url": value.app.webhook_url or "",
        "request": {"headers": value.request_headers, "payload": value.payload},
        "response": {"headers": value.response_headers, "payload": value.response_body},
    }
