"""Tournaments: made and moved by administrators, joined by everybody."""

from __future__ import annotations

from typing import Any

from api.blueprint import ENGINE, Blueprint
from api.context import origin, principal, services
from api.schemas.envelope import PageQuery
from api.schemas.tournaments import (
    CancellationSchema,
    EntrySchema,
    JoinSchema,
    JoinTeamSchema,
    LeftSchema,
    NewTeamSchema,
    NewTournamentSchema,
    TeamSchema,
    TournamentChangesSchema,
    TournamentQuery,
    TournamentSchema,
)
from api.schemas.trading import IdempotencyHeaders
from services.tournaments.participation import Entry, Left
from services.tournaments.rules import NewTournament
from services.tournaments.tournaments import Team, Tournament
from utils.pages import Page

blueprint = Blueprint("tournaments", "Tournaments: contests on paper accounts of their own, solo and in teams")

TOURNAMENTS = "/api/tournaments/"
TOURNAMENT = "/api/tournaments/<tournament_id>"
TEAM = "/api/tournaments/teams/<team_id>"
Headers = dict[str, str | None]
LOCATION = {"Location": {"$ref": "#/components/headers/Location"}}


@blueprint.route(TOURNAMENTS, "/api/tournaments", permission="tournaments:read")
@blueprint.arguments(TournamentQuery, location="query")
@blueprint.response(200, TournamentSchema, paged=True)
def list_tournaments(query: dict[str, Any]) -> Page[Tournament]:
    """List the tournaments that the caller may see, newest first."""
    return services.tournaments.list(principal, **query)


@blueprint.route(
    TOURNAMENTS, "/api/tournaments", method="POST", permission="all_tournaments:write", errors=(404, 409, *ENGINE)
)
@blueprint.arguments(NewTournamentSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(201, TournamentSchema, headers=LOCATION)
def create_tournament(new: NewTournament, headers: Headers) -> tuple[Tournament, int, dict[str, str]]:
    """Create a tournament, for administrators; it opens, starts and ends by itself at its times."""
    made = services.tournament_changes.create(principal, origin(), new, headers["key"])
    return made, 201, {"Location": f"{TOURNAMENTS}{made.id}"}


@blueprint.route(TOURNAMENT, permission="tournaments:read")
@blueprint.response(200, TournamentSchema)
def get_tournament(tournament_id: str) -> Tournament:
    """Return a tournament, with the caller's account in it."""
    return services.tournaments.visible(principal, tournament_id)


@blueprint.route(TOURNAMENT, method="PATCH", permission="all_tournaments:write", errors=(409, *ENGINE))
@blueprint.arguments(TournamentChangesSchema)
@blueprint.response(200, TournamentSchema)
def edit_tournament(changes: dict[str, Any], tournament_id: str) -> Tournament:
    """Change a tournament; once somebody has joined, only its times can be changed."""
    return services.tournament_changes.edit(principal, origin(), tournament_id, changes)


@blueprint.route(TOURNAMENT, method="DELETE", permission="all_tournaments:write", errors=(409,))
@blueprint.response(200, TournamentSchema)
def delete_tournament(tournament_id: str) -> Tournament:
    """Delete a draft; a tournament that was opened has to be cancelled instead."""
    return services.tournament_changes.delete(principal, origin(), tournament_id)


@blueprint.route(f"{TOURNAMENT}/open", method="POST", permission="all_tournaments:write", errors=(409,))
@blueprint.response(200, TournamentSchema)
def open_tournament(tournament_id: str) -> Tournament:
    """Let everybody see and join a draft."""
    return services.tournament_changes.move(principal, origin(), tournament_id, "registration")


@blueprint.route(f"{TOURNAMENT}/start", method="POST", permission="all_tournaments:write", errors=(409,))
@blueprint.response(200, TournamentSchema)
def start_tournament(tournament_id: str) -> Tournament:
    """Start a tournament before its time, with however many participants."""
    return services.tournament_changes.move(principal, origin(), tournament_id, "running")


@blueprint.route(f"{TOURNAMENT}/end", method="POST", permission="all_tournaments:write", errors=(409,))
@blueprint.response(200, TournamentSchema)
def end_tournament(tournament_id: str) -> Tournament:
    """End a tournament before its time: all accounts are closed at the same prices, then prizes are settled."""
    return services.tournament_changes.move(principal, origin(), tournament_id, "closing")


@blueprint.route(f"{TOURNAMENT}/cancel", method="POST", permission="all_tournaments:write", errors=(409,))
@blueprint.arguments(CancellationSchema)
@blueprint.response(200, TournamentSchema)
def cancel_tournament(body: dict[str, str | None], tournament_id: str) -> Tournament:
    """Cancel a tournament that is not over: all accounts are closed, and nobody wins anything."""
    return services.tournament_changes.move(principal, origin(), tournament_id, "cancelled", body["reason"])


@blueprint.route(f"{TOURNAMENT}/join", method="POST", permission="tournaments:write", errors=(409,))
@blueprint.arguments(JoinSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(201, EntrySchema)
def join_tournament(body: dict[str, str | None], headers: Headers, tournament_id: str) -> Entry:
    """Join a tournament; it gives the caller a separate account, without deposits or resets."""
    return services.participation.join(principal, origin(), tournament_id, **body, key=headers["key"])


@blueprint.route(f"{TOURNAMENT}/leave", method="POST", permission="tournaments:write", errors=(409,))
@blueprint.response(200, LeftSchema)
def leave_tournament(tournament_id: str) -> Left:
    """Leave a tournament before its start."""
    return services.participation.leave(principal, origin(), tournament_id)


@blueprint.route(f"{TOURNAMENT}/teams", permission="tournaments:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, TeamSchema, paged=True)
def list_teams(query: dict[str, Any], tournament_id: str) -> Page[Team]:
    """List the teams of a tournament, oldest first."""
    return services.tournaments.teams(principal, tournament_id, **query)


@blueprint.route(f"{TOURNAMENT}/teams", method="POST", permission="tournaments:write", errors=(409,))
@blueprint.arguments(NewTeamSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(201, TeamSchema)
def make_team(body: dict[str, Any], headers: Headers, tournament_id: str) -> Team:
    """Create a team, and join it."""
    return services.participation.make_team(principal, origin(), tournament_id, **body, key=headers["key"])


@blueprint.route(f"{TEAM}/join", method="POST", permission="tournaments:write", errors=(409,))
@blueprint.arguments(JoinTeamSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(201, EntrySchema)
def join_team(body: dict[str, str | None], headers: Headers, team_id: str) -> Entry:
    """Join a team, and with it its tournament."""
    return services.participation.join_team(principal, origin(), team_id, **body, key=headers["key"])


@blueprint.route(f"{TEAM}/leave", method="POST", permission="tournaments:write", errors=(409,))
@blueprint.response(200, LeftSchema)
def leave_team(team_id: str) -> Left:
    """Leave a team and its tournament, before the start."""
    return services.participation.leave_team(principal, origin(), team_id)
