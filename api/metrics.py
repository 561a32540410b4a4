"""Metrics for Prometheus."""

from __future__ import annotations

from flask import Response

from api.blueprint import Blueprint
from api.context import services
from middleware.rate_limits import UNLIMITED
from services.operations.metrics import CONTENT_TYPE

blueprint = Blueprint("metrics", "Counts and measures, for Prometheus")

_EXAMPLE = """\
# HELP trading_up 1 when the part has answered this scrape
# TYPE trading_up gauge
trading_up{part="engine"} 1.0
# HELP trading_http_requests_total Answers to requests
# TYPE trading_http_requests_total counter
trading_http_requests_total{method="POST",route="/api/trading/orders",status="201"} 27.0
"""
_TEXT = {
    "description": "Everything that is counted, in Prometheus' text format",
    "content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}},
}


@blueprint.route("/metrics", permission="metrics:read", limit=UNLIMITED)
@blueprint.doc(responses={200: _TEXT})
def show_metrics() -> Response:
    """Return the metrics of all processes; for holders of `METRICS_TOKEN`, and for admins."""
    return Response(services.metrics.page(), content_type=CONTENT_TYPE)
