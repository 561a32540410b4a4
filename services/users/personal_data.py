"""Everything that is kept about a user, for them to take along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, exists, literal, select, tuple_

import models
from models import Base, Database
from services import audit
from services.audit import Origin
from services.principals import Principal
from utils import json
from utils.errors import NotFound

CHUNK = 1_000
"""Rows that are read at a time: no transaction stays open while a client reads slowly."""

_OF_USER: tuple[type[Base], ...] = (
    models.UserSettings,
    models.Session,
    models.ApiKey,
    models.Account,
    models.Credential,
    models.Order,
    models.Trade,
    models.Event,
    models.Strategy,
    models.BacktestRun,
    models.DataFile,
    models.BacktestSweep,
    models.SweepPoint,
    models.Notification,
    models.NotificationSetting,
    models.MailAddress,
    models.MailDelivery,
    models.Webhook,
    models.PriceAlert,
    models.Participant,
    models.Award,
    models.LeaderboardEntry,
    models.AuditEntry,
    models.BotConfigChange,
)
_OF_ACCOUNT: tuple[type[Base], ...] = (
    models.Balance,
    models.LedgerEntry,
    models.Position,
    models.EquitySample,
    models.RiskLimits,
)
_OF_STRATEGY: tuple[type[Base], ...] = (models.StrategyLogEntry, models.SignalKey)
_OF_PARTICIPANT: tuple[type[Base], ...] = (models.Rank, models.PastRank)
SECTIONS: tuple[type[Base], ...] = (
    models.User,
    *_OF_USER,
    *_OF_ACCOUNT,
    *_OF_STRATEGY,
    *_OF_PARTICIPANT,
    models.Team,
    models.KillSwitch,
)
"""The tables of an export, by their names."""

LEFT_OUT: tuple[type[Base], ...] = (
    models.RefreshToken,
    models.StreamTicket,
    models.SecondFactor,
    models.RecoveryCode,
    models.IdempotencyKey,
    models.Job,
    models.Lease,
    models.EventCounter,
    models.WebhookDelivery,
    models.Announcement,
    models.NotificationCursor,
    models.Installation,
    models.Tournament,
    models.TeamRank,
)
"""Tables that hold nothing of a user but secrets, or what the exported ones say already."""

SECRET = frozenset(
    {
        *("password_hash", "username_key", "email_key", "name_key", "digest", "key_hash"),
        *("sealed", "key_id", "number", "seal", "snapshot"),
    }
)
"""Columns that are secrets, mean nothing to anybody else, or (`snapshot`) hold what is the operator's."""

_OWNER: dict[type[Base], str] = {models.User: "id", models.KillSwitch: "engaged_by", models.Team: "captain_id"}
"""The columns that tell whose a row is where it is not `user_id`."""


class PersonalData:
    """Write what is kept about users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def export(self, principal: Principal, origin: Origin, user_id: str | None = None) -> Iterator[bytes]:
        """Return the lines of an NDJSON file, a row each with its table: of the caller, or of `user_id`.

        :raises NotFound: `user_not_found`.
        """
        whom = user_id or principal.user_id
        with self._database.write() as session:
            if not session.execute(select(exists().where(models.User.id == whom))).scalar():
                raise NotFound("There is no such user.", code="user_not_found")
            audit.record(session, origin, "user.exported", user_id=principal.user_id, target=whom)
        return self._lines(whom)

    def _lines(self, user_id: str) -> Iterator[bytes]:
        for table in SECTIONS:
            for row in self._rows(table, user_id):
                yield json.dumps({"table": table.__tablename__, "row": row}) + b"\n"

    def _rows(self, table: type[Base], user_id: str) -> Iterator[dict[str, Any]]:
        columns = [column for column in table.__table__.columns if column.name not in SECRET]
        key = [column for column in table.__table__.columns if column.primary_key]
        query = select(*columns).where(_belongs(table, user_id)).order_by(*key).limit(CHUNK)
        last: Any = None
        while True:
            place = query if last is None else query.where(tuple_(*key) > last)
            with self._database.read() as connection:
                rows = connection.execute(place).all()
            yield from (dict(row._mapping) for row in rows)
            if len(rows) < CHUNK:
                return
            last = tuple_(*(literal(getattr(rows[-1], column.name), column.type) for column in key))


def _belongs(table: type[Base], user_id: str) -> ColumnElement[bool]:
    columns = table.__table__.columns
    if table in _OF_ACCOUNT:
        theirs = select(models.Account.id).where(models.Account.user_id == user_id)
        return columns.account_id.in_(theirs)
    if table in _OF_STRATEGY:
        strategies = select(models.Strategy.id).where(models.Strategy.user_id == user_id)
        return columns.strategy_id.in_(strategies)
    if table in _OF_PARTICIPANT:
        entries = select(models.Participant.id).where(models.Participant.user_id == user_id)
        return columns.participant_id.in_(entries)
    return columns[_OWNER.get(table, "user_id")] == user_id
