"""Export and deletion of everything that is kept about a user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Response

from api.blueprint import ENGINE, Blueprint
from api.context import actor, origin, principal, services
from api.schemas.personal_data import DeletedSchema
from api.schemas.second_factors import PasswordSchema
from middleware.rate_limits import LOGIN
from services.users.deletion import Deleted

blueprint = Blueprint("personal data", "Everything that is kept about a user: to take along, and to be forgotten")

EXPORT: dict[str, Any] = {
    "description": "A line of JSON for each row: its table, and the row. No secrets: neither passwords nor keys.",
    "content": {
        "application/x-ndjson": {
            "schema": {"type": "string"},
            "example": '{"table":"users","row":{"username":"ada"}}\n{"table":"user_settings","row":{"body":"{}"}}\n',
        }
    },
}


@blueprint.route("/api/auth/me/export", permission="profile:write")
@blueprint.doc(responses={200: EXPORT})
def export_me() -> Response:
    """Write everything that is kept about the caller, as NDJSON."""
    return download(services.personal_data.export(principal, origin()))


@blueprint.route("/api/auth/me/deletion", method="POST", permission="profile:write", limit=LOGIN, errors=(409, *ENGINE))
@blueprint.arguments(PasswordSchema)
@blueprint.response(200, DeletedSchema)
def delete_me(body: dict[str, str]) -> Deleted:
    """Delete the caller for good: personal data is deleted, trades stay under a pseudonym.

    Open paper orders are canceled; while live orders are open the answer is 409 `orders_open`, while strategies run it
    is 409 `strategies_running`. What a live account holds at its exchange stays there. The name and the address are
    free again.
    """
    return services.deletion.delete(principal, actor(), origin(), body["password"])


def download(lines: Iterator[bytes]) -> Response:
    """Return an export as a file."""
    headers = {"Content-Disposition": 'attachment; filename="export.ndjson"', "Cache-Control": "no-store"}
    return Response(lines, mimetype="application/x-ndjson", headers=headers)
