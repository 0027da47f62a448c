"""An app's webhook: its configuration, deliveries and redelivery (docs: GitHub App webhooks)."""

from starlette.responses import Response

from bot.embedded.errors import ApiError, not_found
from bot.embedded.outbox import Delivery
from bot.embedded.shapes import deliveries as shapes
from bot.embedded.web import Call, answer, endpoint


@endpoint("GET", "/app/hook/config", only="app")
async def get_config(call: Call) -> Response:
    """Where deliveries go."""
    return answer(_config(call))


@endpoint("PATCH", "/app/hook/config", only="app")
async def update_config(call: Call) -> Response:
    """Change the address or the secret."""
    app = call.caller.app
    assert app is not None
    app.webhook_url = call.text("url", "Hook") or app.webhook_url
    app.webhook_secret = call.text("secret", "Hook") or app.webhook_secret
    return answer(_config(call))


@endpoint("GET", "/app/hook/deliveries", only="app")
async def list_deliveries(call: Call) -> Response:
    """Deliveries, newest first; `status=failure` and `cursor` as on GitHub (the cursor is a delivery id)."""
    rows = [each for each in reversed(call.hub.outbox.deliveries) if each.app is call.caller.app and each.delivered_at]
    if (wanted := call.query("status")) in ("success", "failure"):
        rows = [each for each in rows if (200 <= each.status_code < 400) == (wanted == "success")]
    if (cursor := call.query("cursor")).isdecimal():
        rows = [each for each in rows if each.id <= int(cursor)]
    size = min(int(size) if (size := call.query("per_page")).isdecimal() and int(size) else 30, 100)
    headers = {}
    if len(rows) > size:
        status = f"&status={wanted}" if wanted else ""
        url = f"{call.hub.urls.api}/app/hook/deliveries?per_page={size}{status}&cursor={rows[size].id}"
        headers["Link"] = f'<{url}>; rel="next"'
    return answer([shapes.item(each) for each in rows[:size]], headers=headers)


@endpoint("GET", "/app/hook/deliveries/{delivery_id}", only="app")
async def get_delivery(call: Call) -> Response:
    """One delivery with its request and response."""
    return answer(shapes.full(_delivery(call)))


@endpoint("POST", "/app/hook/deliveries/{delivery_id}/attempts", only="app")
async def redeliver(call: Call) -> Response:
    """Send it again, under the same GUID."""
    call.hub.outbox.redeliver(_delivery(call))
    return answer({}, 202)


def _config(call: Call) -> dict[str, str]:
    app = call.caller.app
    assert app is not None
    config = {"content_type": "json", "insecure_ssl": "0", "secret": "********"}
    return config if app.webhook_url is None else {**config, "url": app.webhook_url}


def _delivery(call: Call) -> Delivery:
    wanted = call.number("delivery_id")
    for each in call.hub.outbox.deliveries:
        if each.id == wanted and each.app is call.caller.app:
            return each
    raise not_found() if wanted else ApiError(400, "Bad delivery id")


ENDPOINTS = (get_config, update_config, list_deliveries, get_delivery, redeliver)
