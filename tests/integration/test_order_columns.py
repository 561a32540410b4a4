"""Every column of an order survives a change that has nothing to do with it, and a restart in between."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select

import models
from engine.journal.journal import Journal
from engine.journal.unit import Line, Unit
from models import Database
from models.records import order_of, order_row
from tests.contract.exchange import SYMBOL
from tests.factories import SignedIn
from utils import wire
from utils.ids import new_id

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def full_order(account: str) -> wire.Order:
    """Return an order none of whose fields is empty."""
    leg = wire.ExitLeg(price=Decimal(60_000), stop_price=Decimal(59_000))
    fields: dict[str, Any] = {
        **{"id": new_id(), "client_order_id": "mine", "account": account, "mode": "live", "exchange": "binance"},
        **{"symbol": SYMBOL, "side": "buy", "type": "stop_limit", "status": "accepted", "time_in_force": "ioc"},
        **{"amount": Decimal(3), "filled": Decimal(1), "remaining": Decimal(2), "price": Decimal("40000.5")},
        **{"stop_price": Decimal(41_000), "trailing_percent": Decimal(2), "trailing_level": Decimal(42_000)},
        **{"average": Decimal("40000.25"), "cost": Decimal("40000.25"), "reduce_only": True, "group_id": "g"},
        **{"fee": wire.Fee(currency="BNB", cost=Decimal("0.01")), "triggered_at": MOMENT, "reject_code": "because"},
        **{"created_at": MOMENT, "updated_at": MOMENT, "sent_at": MOMENT, "exchange_order_id": "e-1"},
        **{"replaced_by": new_id(), "parent_id": new_id(), "take_profit": leg, "stop_loss": leg},
    }
    return wire.Order(**fields)


def test_nothing_is_forgotten(user: SignedIn) -> None:
    row = order_row(full_order(user.account_id), user.id)
    assert row.keys() == {column.name for column in models.Order.__table__.columns}
    assert [name for name, value in row.items() if value in (None, "")] == ["closed_at"]
    fields = set(wire.Order.__struct_fields__)
    assert {name for name in fields if getattr(full_order("a"), name) in (None, "")} <= {"exits"}


@pytest.mark.parametrize("rounds", [1, 2])
def test_every_column_survives_an_update_of_another(database: Database, user: SignedIn, rounds: int) -> None:
    asyncio.run(_update(database, user, rounds))


async def _update(database: Database, user: SignedIn, rounds: int) -> None:
    journal = Journal(database)
    journal.start()
    order = full_order(user.account_id)

    async def store(order: wire.Order) -> None:
        unit = Unit(Line(user.account_id, user.id, statuses={order.id: "accepted"}))
        unit.order(order, tell=False)
        await journal.submit(unit)

    def stored() -> dict[str, object]:
        with database.read() as connection:
            return dict(connection.execute(select(models.Order.__table__)).one()._mapping)

    try:
        await store(order)
        before = stored()
        for number in range(rounds):
            with database.read() as connection:  # as it comes back into memory
                order = order_of(connection.execute(select(models.Order.__table__)).one())
            await store(replace(order, updated_at=MOMENT.replace(year=2027 + number)))
    finally:
        await journal.stop()
    after = stored()
    assert {name for name in before if before[name] != after[name]} == {"updated_at"}
