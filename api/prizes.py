"""Prizes of tournaments: records of what the operator pays."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.blueprint import Blueprint
from api.context import origin, principal, services
from api.schemas.envelope import PageQuery
from api.schemas.prizes import ManagedPrizeSchema, OwnPrizeSchema, PrizeChangesSchema, PrizeSchema
from services.tournaments.awards import COLUMNS, ManagedPrize, OwnPrize, Prize, PrizeChanges
from utils.pages import Page

blueprint = Blueprint("prizes", "What is won in tournaments, and whether it is paid")

MANAGED = "/api/admin/tournaments/<tournament_id>/prizes"
CSV = {
    "description": "The prizes, the best first.",
    "content": {"text/csv": {"schema": {"type": "string"}, "example": f"{','.join(COLUMNS)}\r\n"}},
}


@blueprint.route("/api/tournaments/<tournament_id>/prizes", permission="tournaments:read")
@blueprint.response(200, PrizeSchema, many=True)
def list_prizes(tournament_id: str) -> list[Prize]:
    """Return the prizes won in a tournament, the best first; none before it is settled. They sum to the pool."""
    return services.awards.list(principal, tournament_id)


@blueprint.route("/api/prizes", permission="tournaments:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, OwnPrizeSchema, paged=True)
def list_own_prizes(query: dict[str, Any]) -> Page[OwnPrize]:
    """Return the prizes the caller has won, newest first."""
    return services.awards.own(principal, **query)


@blueprint.route(MANAGED, permission="prizes:read")
@blueprint.response(200, ManagedPrizeSchema, many=True)
def list_managed_prizes(tournament_id: str) -> list[ManagedPrize]:
    """Return the prizes of a tournament with their payments, for administrators."""
    return services.awards.managed(tournament_id)


@blueprint.route(f"{MANAGED}/export", permission="prizes:read")
@blueprint.doc(responses={200: CSV})
def export_prizes(tournament_id: str) -> Response:
    """Write the prizes of a tournament as CSV (RFC 4180), for administrators."""
    lines = services.awards.lines(tournament_id)
    headers = {"Content-Disposition": 'attachment; filename="prizes.csv"', "Cache-Control": "no-store"}
    return Response(lines, mimetype="text/csv", headers=headers)


@blueprint.route("/api/admin/prizes/<prize_id>", method="PATCH", permission="prizes:write", errors=(409,))
@blueprint.arguments(PrizeChangesSchema)
@blueprint.response(200, ManagedPrizeSchema)
def change_prize(changes: PrizeChanges, prize_id: str) -> ManagedPrize:
    """Set the status of a prize: `pending`, `processing`, `failed`, or `paid` with a `reference`, which is final."""
    return services.awards.change(principal, origin(), prize_id, changes)
