"""The caller's backtests."""

from __future__ import annotations

from typing import Any

from flask import Response

from api import report_page
from api.answers import envelope
from api.blueprint import ENGINE, Blueprint
from api.context import origin, principal, services
from api.schemas.backtests import BacktestQuery, BacktestRunSchema, NewBacktestSchema, ReportQuery, ReportSchema
from api.schemas.envelope import enveloped
from api.schemas.trading import IdempotencyHeaders
from services.backtests.plans import NewRun
from services.backtests.reports import csv_of
from services.backtests.runs import BacktestRun
from utils import json
from utils.pages import Page

blueprint = Blueprint("backtests", "Backtests: strategies on recorded candles")

RUNS = "/api/backtesting/runs"
RUN = f"{RUNS}/<run_id>"
_FORMS: dict[str, Any] = {
    "application/json": {"schema": enveloped(ReportSchema, many=False, paged=False, aged=False)},
    "text/csv": {
        "schema": {"type": "string"},
        "example": "time,order,symbol,side,price,amount,cost,fee,realized_pnl\r\n",
    },
    "text/html": {"schema": {"type": "string"}, "example": "<!doctype html>"},
}


@blueprint.route(RUNS, method="POST", permission="backtests:write", errors=(404, 409, *ENGINE))
@blueprint.arguments(NewBacktestSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(202, BacktestRunSchema, headers={"Location": {"$ref": "#/components/headers/Location"}})
def start_backtest(new: NewRun, headers: dict[str, str | None]) -> tuple[BacktestRun, int, dict[str, str]]:
    """Start a backtest of a strategy; it is queued until its turn comes."""
    run = services.backtests.start(principal, origin(), new, headers["key"])
    return run, 202, {"Location": f"{RUNS}/{run.id}"}


@blueprint.route(RUNS, permission="backtests:read")
@blueprint.arguments(BacktestQuery, location="query")
@blueprint.response(200, BacktestRunSchema, paged=True)
def list_backtests(query: dict[str, Any]) -> Page[BacktestRun]:
    """List the caller's backtests, the newest first."""
    return services.backtests.list(principal, **query)


@blueprint.route(RUN, permission="backtests:read")
@blueprint.response(200, BacktestRunSchema)
def get_backtest(run_id: str) -> BacktestRun:
    """Return a backtest, and its progress."""
    return services.backtests.get(principal, run_id)


@blueprint.route(RUN, method="DELETE", permission="backtests:write")
@blueprint.response(200, BacktestRunSchema)
def end_backtest(run_id: str) -> BacktestRun:
    """Cancel an unfinished backtest; delete a finished one."""
    return services.backtests.end(principal, origin(), run_id)


@blueprint.route(f"{RUN}/report", permission="backtests:read", errors=(409,))
@blueprint.arguments(ReportQuery, location="query")
@blueprint.doc(responses={"200": {"description": "OK", "content": _FORMS}})
def get_backtest_report(query: dict[str, str], run_id: str) -> Response:
    """Return the report of a backtest, as JSON or as a web page, or its trades as CSV."""
    return _WRITERS[query["format"]](services.backtests.report(principal, run_id))


_WRITERS = {
    "json": lambda report: Response(json.dumps(envelope(report)), mimetype="application/json"),
    "csv": lambda report: Response(
        csv_of(report), mimetype="text/csv", headers={"Content-Disposition": 'attachment; filename="backtest.csv"'}
    ),
    "html": lambda report: Response(
        report_page.page(report), mimetype="text/html", headers={"Content-Security-Policy": report_page.POLICY}
    ),
}
