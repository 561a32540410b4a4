"""Streams of server-sent events."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from api import sse
from api.blueprint import ENGINE, Blueprint
from api.context import principal, services
from api.schemas.market import PricesQuery, ResumeHeaders
from middleware.auth import bearer_token

blueprint = Blueprint("stream", "Server-sent events, to be resumed where they broke off")

_EXAMPLE = """\
retry: 2000

id: 1795175285001
event: price
data: {"symbol":"BTC/USDT","exchange":"demo","price":"60000","bid":"59999.99","ask":"60000.01",\
"as_of":"2026-11-20T12:00:05.586272Z"}

: heartbeat
"""
EVENTS = {
    "description": "Events, as they happen",
    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
}


@blueprint.route("/api/stream/prices", permission="market:read", errors=ENGINE)
@blueprint.arguments(PricesQuery, location="query")
@blueprint.arguments(ResumeHeaders, location="headers")
@blueprint.doc(responses={200: EVENTS})
def stream_prices(query: dict[str, Any], headers: dict[str, int]) -> Response:
    """Stream prices: `price` events, and `reset` when some were missed. Resume with `Last-Event-ID` or `since_id`."""
    since_id = headers.get("last_event_id", query.get("since_id"))
    sessions, token = services.sessions, bearer_token(request.headers.get("Authorization")) or ""
    events = services.prices.follow(query["symbols"], since_id, lambda: sessions.principal(token))
    return sse.answer(events, services.prices.take_slot(principal))
