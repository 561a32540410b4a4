"""Orders and trades as the engine would have written them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import insert

import models
from models import Database
from tests.factories import SignedIn
from utils.ids import new_id
from utils.wire import FINAL_STATUSES, Order

MORNING = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def add_account(database: Database, owner: SignedIn, **changes: Any) -> str:
    """Open a second account, on paper unless `changes` say else."""
    account = new_id()
    values = {
        "id": account,
        "user_id": owner.id,
        "name": "Second",
        "mode": "paper",
        "exchange": "demo",
        "type": "spot",
        "kind": "paper",
        "reference_currency": "USDT",
        "starting_balance": Decimal(10_000),
        "status": "active",
        "created_at": MORNING,
        "updated_at": MORNING,
        **changes,
    }
    with database.write() as session:
        session.execute(insert(models.Account).values(**values))
    return account


def add_order(database: Database, owner: SignedIn, **values: Any) -> str:
    """Write an order of `owner`, an open limit buy unless `values` say else, and return its id."""
    order_id = values.get("id") or new_id()
    row: dict[str, Any] = {
        "id": order_id,
        "account_id": owner.account_id,
        "user_id": owner.id,
        "client_order_id": order_id,
        "mode": "paper",
        "exchange": "demo",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "limit",
        "status": "accepted",
        "amount": Decimal("0.1"),
        "filled": Decimal(0),
        "price": Decimal(40_000),
        "cost": Decimal(0),
        "time_in_force": "gtc",
        "reduce_only": False,
        "created_at": MORNING,
        "updated_at": MORNING,
        **values,
    }
    if row["status"] in FINAL_STATUSES:
        row["closed_at"] = row["updated_at"]
    with database.write() as session:
        session.execute(insert(models.Order).values(**row))
    return order_id


def keep_order(database: Database, owner: SignedIn, order: Order | dict[str, Any]) -> str:
    """Write what the fake answered, as the real engine does before it answers."""
    shown = order if isinstance(order, dict) else {name: getattr(order, name) for name in order.__struct_fields__}
    money = ("amount", "filled", "price", "stop_price", "trailing_percent", "average", "cost")
    same = ("client_order_id", "symbol", "side", "type", "status", "time_in_force", "reduce_only", "group_id")
    return add_order(
        database,
        owner,
        id=shown["id"],
        account_id=shown["account"],
        created_at=_moment(shown["created_at"]),
        updated_at=_moment(shown["updated_at"]),
        **{name: shown[name] for name in same},
        **{name: None if shown[name] is None else Decimal(shown[name]) for name in money},
    )


def add_trade(database: Database, owner: SignedIn, order_id: str, **values: Any) -> str:
    """Write a fill of `order_id` and return its id."""
    row: dict[str, Any] = {
        "id": new_id(),
        "order_id": order_id,
        "account_id": owner.account_id,
        "user_id": owner.id,
        "mode": "paper",
        "exchange": "demo",
        "symbol": "BTC/USDT",
        "side": "buy",
        "price": Decimal(40_000),
        "amount": Decimal("0.1"),
        "cost": Decimal(4_000),
        "fee_currency": "USDT",
        "fee_cost": Decimal("4.0"),
        "created_at": MORNING,
        **values,
    }
    with database.write() as session:
        session.execute(insert(models.Trade).values(**row))
    trade_id: str = row["id"]
    return trade_id


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
