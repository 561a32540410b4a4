"""Hold SQL against itself and against OctoBot, as `python -m commands verify` does."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import select

import models
from models import Database
from services import verification
from utils.octobot_bridge import OctoBotBridge


def rows(database: Database, table: Any) -> list[Any]:
    """Return all rows of a table, oldest first."""
    with database.read() as connection:
        return list(connection.execute(select(table.__table__).order_by(*table.__table__.primary_key)))


def differences(database: Database, bridge: OctoBotBridge | None = None) -> list[str]:
    """Return every disagreement, in words; with `bridge` also between SQL and OctoBot's memory."""
    found = [str(difference) for difference in verification.differences(database, bridge)]
    return found if bridge is None else found + untold(database)


def untold(database: Database) -> list[str]:
    """Return the balances that are not what the last account event told of them, in words."""
    event, told = models.Event, {}
    with database.snapshot() as connection:  # somebody may be trading
        payloads = select(event.payload).where(event.type == "balance").order_by(event.user_id, event.id)
        for payload in map(msgspec.json.decode, connection.execute(payloads).scalars()):
            for currency, balance in payload["currencies"].items():
                told[payload["account"], currency] = Decimal(balance["total"])
        balances = connection.execute(select(models.Balance.__table__))
        stored = {(row.account_id, row.currency): row.total for row in balances}
    return [
        f"event: told {told.get(key)} of {key}, stored {total}"
        for key, total in stored.items()
        if told.get(key) != total
    ]
