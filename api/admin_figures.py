"""Figures of the installation, for administrators."""

from __future__ import annotations

from api.blueprint import Blueprint
from api.context import services
from api.schemas.figures import DaySchema, DaysQuery, StatisticsSchema
from services.operations.statistics import Day, Statistics

blueprint = Blueprint("statistics", "Figures of the installation, for administrators")


@blueprint.route("/api/admin/stats", permission="statistics:read")
@blueprint.response(200, StatisticsSchema)
def get_statistics() -> Statistics:
    """Return statistics: users, their trading and performance, and the state of the engine."""
    return services.figures.now()


@blueprint.route("/api/admin/analytics", permission="statistics:read")
@blueprint.arguments(DaysQuery, location="query")
@blueprint.response(200, DaySchema, many=True)
def list_days(query: dict[str, int]) -> list[Day]:
    """Return growth, volume and engagement day by day (UTC), oldest first."""
    return services.figures.days(query["days"])
