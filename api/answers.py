"""The bodies of successes, and what clients may keep of them."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Response, request

from utils import json
from utils.pages import Aged, Page

KEPT = {
    "ETag": {"$ref": "#/components/headers/ETag"},
    "Cache-Control": {"$ref": "#/components/headers/CacheControl"},
}
"""The headers of an answer that a client may keep, in the document."""


def envelope(data: Any) -> dict[str, Any]:
    """Return the members around `data`."""
    if not isinstance(data, Page):
        return {"success": True, "data": data}
    pagination = {"limit": data.limit, "has_more": data.next_cursor is not None, "next_cursor": data.next_cursor}
    return {"success": True, "data": data.items, "pagination": pagination}


def aged(answer: Aged[Any]) -> Response:
    """Return the response that tells how old its data is; 304 when the client has it already.

    The tag is weak and of the data alone: the same data read again later is as good.
    """
    body = envelope(answer.value)
    content = json.dumps(body)
    told = json.dumps({"as_of": answer.as_of, "stale": answer.stale})
    response = Response(content[:-1] + b"," + told[1:], mimetype="application/json")
    if answer.max_age is not None and not answer.stale:
        response.headers["Cache-Control"] = f"private, max-age={answer.max_age}"
        response.set_etag(hashlib.sha256(content).hexdigest()[:32], weak=True)
        response.make_conditional(request)
    return response
