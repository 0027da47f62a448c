"""Users, and the server about itself (docs: users, rate limit, meta)."""

from starlette.responses import Response

from bot.embedded.errors import forbidden, not_found
from bot.embedded.shapes import accounts as shapes
from bot.embedded.web import Call, answer, endpoint


@endpoint("GET", "/user", only="known")
async def get_me(call: Call) -> Response:
    """The person behind a personal token."""
    if call.caller.user is None:
        raise forbidden()
    return answer(shapes.private_user(call.hub.urls, call.caller.user))


@endpoint("GET", "/users/{username}")
async def get_user(call: Call) -> Response:
    """Anybody, `name[bot]` included."""
    account = call.hub.state.accounts.get(call.path("username").lower())
    if account is None:
        raise not_found()
    return answer(shapes.public_user(call.hub.urls, account))


@endpoint("GET", "/rate_limit")
async def rate_limit(call: Call) -> Response:
    """What is left of this hour; asking costs nothing."""
    used, reset = call.hub.limits.count(call.caller.key, call.hub.now(), cost=0)
    limit = call.hub.limits.per_hour
    row = {"limit": limit, "used": used, "remaining": max(0, limit - used), "reset": reset}
    rest = {"limit": 30, "used": 0, "remaining": 30, "reset": reset}
    return answer({"resources": {"core": row, "search": rest, "graphql": row}, "rate": row})


@endpoint("GET", "/meta")
async def meta(call: Call) -> Response:
    """What the server says of itself."""
    return answer({"verifiable_password_authentication": False, "hooks": ["127.0.0.1/32"], "git": ["127.0.0.1/32"]})


ENDPOINTS = (get_me, get_user, rate_limit, meta)
