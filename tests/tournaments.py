"""Tournaments as rows, for what ranks and settles them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, update

import models
from models import Database
from models.standings import put_standings
from services import jobs
from services.tournaments import prizes
from services.tournaments.prize_rules import PrizeRules, encode
from utils import clock
from utils.ids import new_id
from utils.octobot_bridge import OctoBotBridge
from utils.standings import Standing, ranked
from utils.wire import Actor

START = Decimal(10_000)


@dataclass(frozen=True, kw_only=True)
class Player:
    """A participant, with the user and the account behind it."""

    id: str
    user: str
    account: str
    team: str | None = None

    @property
    def actor(self) -> Actor:
        """Return the user as who asks the engine."""
        return Actor(user_id=self.user)


def tournament(database: Database, creator: str, **changes: Any) -> str:
    """Make a running tournament, and return its id; `changes` are columns."""
    now, made = clock.now(), new_id()
    row = {
        "id": made,
        "name": "Spring cup",
        "description": "",
        "rules": "",
        "type": "solo",
        "status": "running",
        "visibility": "public",
        "exchange": "demo",
        "account_type": "spot",
        "currency": "USDT",
        "starting_balance": START,
        "symbols": '["BTC/USDT", "ETH/BTC", "ETH/USDT", "BTC/USDT:USDT"]',
        "prize_pool": Decimal(1000),
        "prize_rules": encode(PrizeRules()),
        "min_participants": 1,
        "min_account_age_days": 0,
        "registration_ends_at": now - timedelta(hours=1),
        "starts_at": now - timedelta(hours=1),
        "ends_at": now + timedelta(hours=5),
        "created_by": creator,
        "created_at": now,
        "updated_at": now,
    }
    with database.write() as session:
        session.execute(insert(models.Tournament).values(row | changes))
    return made


def team(database: Database, tournament_id: str, captain: str, name: str) -> str:
    """Make a team, and return its id."""
    made = new_id()
    row = {"id": made, "tournament_id": tournament_id, "name": name, "name_key": name, "captain_id": captain}
    with database.write() as session:
        session.execute(insert(models.Team).values(row | {"created_at": clock.now()}))
    return made


def players(
    database: Database,
    tournament_id: str,
    users: list[str],
    *,
    teams: list[str | None] | None = None,
    type: str = "spot",
) -> list[Player]:
    """Let users take part, each with an account of its own that the engine has never opened."""
    now = clock.now()
    made = [
        Player(id=new_id(), user=user, account=new_id(), team=None if teams is None else teams[number])
        for number, user in enumerate(users)
    ]
    accounts = [
        {
            "id": each.account,
            "user_id": each.user,
            "name": "Spring cup",
            "mode": "paper",
            "exchange": "demo",
            "type": type,
            "kind": "tournament",
            "reference_currency": "USDT",
            "starting_balance": START,
            "created_at": now,
            "updated_at": now,
        }
        for each in made
    ]
    entries: list[dict[str, Any]] = [
        {"id": each.id, "tournament_id": tournament_id, "user_id": each.user, "account_id": each.account}
        | {"team_id": each.team, "joined_at": now}
        for each in made
    ]
    with database.write() as session:
        session.connection().execute(insert(models.Account), accounts)
        session.connection().execute(insert(models.Participant), entries)
    return made


def people(database: Database, names: list[str]) -> list[str]:
    """Make users with these names, who never sign in, and return their ids."""
    now = clock.now()
    made = [new_id() for _ in names]
    same: dict[str, Any] = {"password_hash": "-", "created_at": now, "updated_at": now}
    rows = [
        {**same, "id": id, "username": name, "username_key": name, "email": f"{id}@a.test", "email_key": f"{id}@a.test"}
        for id, name in zip(made, names, strict=True)
    ]
    with database.write() as session:
        session.connection().execute(insert(models.User), rows)
    return made


def trade(database: Database, player: Player, cost: str, gain: str | None = None) -> str:
    """Write a trade of a participant, which realised `gain`, and return its id."""
    now, order, made = clock.now(), new_id(), new_id()
    same: dict[str, Any] = {"account_id": player.account, "user_id": player.user, "mode": "paper", "exchange": "demo"}
    same |= {"symbol": "BTC/USDT", "side": "buy", "amount": Decimal(1), "price": Decimal(cost), "cost": Decimal(cost)}
    same |= {"created_at": now}
    ended = {"id": order, "client_order_id": order, "type": "market", "status": "filled", "filled": Decimal(1)}
    ended |= {"time_in_force": "gtc", "reduce_only": False, "updated_at": now, "closed_at": now}
    with database.write() as session:
        session.execute(insert(models.Order).values(same | ended))
        gained = None if gain is None else Decimal(gain)
        session.execute(insert(models.Trade).values(same | {"id": made, "order_id": order, "realized_pnl": gained}))
    return made


def stand(database: Database, tournament_id: str, standings: list[Standing]) -> None:
    """Store how participants stand, as the engine does while the tournament runs."""
    with database.writing() as connection:
        put_standings(connection, database, models.Rank, tournament_id, ranked(standings))


def end(database: Database, tournament_id: str, values: dict[str, Decimal]) -> None:
    """End a tournament: accounts are closed with what they are worth, by participant, and the settlement is wanted."""
    now = clock.now()
    with database.write() as session:
        for participant, value in values.items():
            closed = {"closed_at": now, "final_value": value}
            session.execute(update(models.Participant).where(models.Participant.id == participant).values(closed))
        over = {"status": "finished", "ends_at": now, "finished_at": now}
        session.execute(update(models.Tournament).where(models.Tournament.id == tournament_id).values(over))
        prizes.want_settlement(session, tournament_id)


def settle(database: Database, bridge: OctoBotBridge) -> None:
    """Do the settlements that are wanted, as a worker does."""
    queue, settling = jobs.Jobs(database), prizes.Prizes(database, bridge)
    queue.recover("test")
    for run in queue.take("test", {prizes.JOB: 10}, timedelta(seconds=60)):
        settling.settle(run)
        queue.succeed(run)


def set_status(database: Database, tournament_id: str, status: str, **columns: Any) -> None:
    """Bring a tournament into another state."""
    statement = update(models.Tournament).where(models.Tournament.id == tournament_id)
    with database.write() as session:
        session.execute(statement.values(status=status, **columns))
