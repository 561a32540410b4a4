"""The caller's sweeps."""

from __future__ import annotations

from typing import Any

from api.blueprint import ENGINE, Blueprint
from api.context import origin, principal, services
from api.schemas.sweeps import NewSweepSchema, ResultsQuery, SweepQuery, SweepResultSchema, SweepSchema
from api.schemas.trading import IdempotencyHeaders
from services.backtests.sweeps import NewSweep, Rank, Sweep, SweepResult
from utils.pages import Page

blueprint = Blueprint("sweeps", "Sweeps: backtests with every combination of some settings")

SWEEPS = "/api/backtesting/sweeps"
SWEEP = f"{SWEEPS}/<sweep_id>"


@blueprint.route(SWEEPS, method="POST", permission="backtests:write", errors=(404, 409, *ENGINE), limit="heavy")
@blueprint.arguments(NewSweepSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(202, SweepSchema, headers={"Location": {"$ref": "#/components/headers/Location"}})
def start_sweep(new: NewSweep, headers: dict[str, str | None]) -> tuple[Sweep, int, dict[str, str]]:
    """Start a sweep: backtests with every combination of some settings; it is queued until its turn comes."""
    sweep = services.sweeps.start(principal, origin(), new, headers["key"])
    return sweep, 202, {"Location": f"{SWEEPS}/{sweep.id}"}


@blueprint.route(SWEEPS, permission="backtests:read")
@blueprint.arguments(SweepQuery, location="query")
@blueprint.response(200, SweepSchema, paged=True)
def list_sweeps(query: dict[str, Any]) -> Page[Sweep]:
    """List the caller's sweeps, the newest first."""
    return services.sweeps.list(principal, **query)


@blueprint.route(SWEEP, permission="backtests:read")
@blueprint.response(200, SweepSchema)
def get_sweep(sweep_id: str) -> Sweep:
    """Return a sweep, and its progress."""
    return services.sweeps.get(principal, sweep_id)


@blueprint.route(f"{SWEEP}/results", permission="backtests:read")
@blueprint.arguments(ResultsQuery, location="query")
@blueprint.response(200, SweepResultSchema, many=True)
def list_sweep_results(query: dict[str, Rank], sweep_id: str) -> list[SweepResult]:
    """Return the results of a sweep so far, the best first."""
    return services.sweeps.results(principal, sweep_id, query["rank_by"])


@blueprint.route(SWEEP, method="DELETE", permission="backtests:write")
@blueprint.response(200, SweepSchema)
def end_sweep(sweep_id: str) -> Sweep:
    """Cancel an unfinished sweep, keeping its results so far; delete a finished one."""
    return services.sweeps.end(principal, origin(), sweep_id)
