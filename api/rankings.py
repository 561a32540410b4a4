"""Rankings of tournaments, and the all-time leaderboard."""

from __future__ import annotations

from typing import Any

from api.blueprint import Blueprint
from api.context import principal, services
from api.schemas.envelope import PageQuery
from api.schemas.rankings import (
    HistoryQuery,
    LeaderSchema,
    OwnRankSchema,
    PastRankSchema,
    RankedTeamSchema,
    RankedUserSchema,
)
from services.tournaments.leaderboard import Leader
from services.tournaments.rankings import Own, PastRank, RankedTeam, RankedUser
from utils.pages import Aged, Page

blueprint = Blueprint("rankings", "Who leads: in tournaments, live, and of all time")

RANKINGS = "/api/tournaments/<tournament_id>/rankings"
LEADERBOARD = "/api/leaderboard"


@blueprint.route(RANKINGS, permission="tournaments:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, RankedUserSchema, paged=True, aged=True)
def list_rankings(query: dict[str, Any], tournament_id: str) -> Aged[Page[RankedUser]]:
    """Return the ranking: by return, then by the smaller drawdown, then by who joined first.

    It is a second old while the tournament runs; `stale` says that the engine is away and these are the ranks it stored
    last. Ranks move while pages are read: a page begins after the last rank of the one before.
    """
    return services.rankings.page(principal, tournament_id, **query)


@blueprint.route(f"{RANKINGS}/teams", permission="tournaments:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, RankedTeamSchema, paged=True, aged=True)
def list_team_rankings(query: dict[str, Any], tournament_id: str) -> Aged[Page[RankedTeam]]:
    """Return the ranking of the teams; it is empty where there are none."""
    return services.rankings.teams(principal, tournament_id, **query)


@blueprint.route(f"{RANKINGS}/history", permission="tournaments:read")
@blueprint.arguments(HistoryQuery, location="query")
@blueprint.response(200, PastRankSchema, many=True)
def get_rank_history(query: dict[str, str | None], tournament_id: str) -> list[PastRank]:
    """Return the ranks that a participant had, oldest first: about 200 from start to end."""
    return services.rankings.history(principal, tournament_id, query["participant"])


@blueprint.route("/api/tournaments/<tournament_id>/me", permission="tournaments:read")
@blueprint.response(200, OwnRankSchema)
def get_own_rank(tournament_id: str) -> Own:
    """Return the caller's rank, and their account."""
    return services.rankings.own(principal, tournament_id)


@blueprint.route(LEADERBOARD, permission="tournaments:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, LeaderSchema, paged=True)
def get_leaderboard(query: dict[str, Any]) -> Page[Leader]:
    """Return the best of all settled tournaments, of those who opted in with `leaderboard_opt_in` of their profile."""
    return services.leaderboard.page(**query)


@blueprint.route(f"{LEADERBOARD}/me", permission="tournaments:read", errors=(404,))
@blueprint.response(200, LeaderSchema)
def get_own_leaderboard_row() -> Leader:
    """Return the caller's row of the leaderboard."""
    return services.leaderboard.own(principal)
