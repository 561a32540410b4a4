"""A small installation whose books are right: an account of each kind, and each kind of order."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from sqlalchemy import insert

import models
from models import Database
from tests.factories import SignedIn
from tests.order_rows import MORNING, add_account, add_order, add_trade
from utils import clock
from utils.ids import new_id

EXIT = json.dumps({"price": "44000"})
LONG_AGO = clock.now() - timedelta(minutes=5)


def add_owner(database: Database) -> Any:
    """Write a user with an account, as `tests.factories.sign_in` does, without the time a password takes."""
    owner = SimpleNamespace(id=new_id(), account_id="")
    names = {"username": "ada", "username_key": "ada", "email": "ada@example.com", "email_key": "ada@example.com"}
    _add(database, models.User, id=owner.id, **names, password_hash="", created_at=MORNING, updated_at=MORNING)
    owner.account_id = add_account(database, owner)  # type: ignore[arg-type]
    return owner


def write(database: Database, owner: SignedIn) -> dict[str, str]:
    """Write everything and return the accounts' ids."""
    accounts = {
        "spot": owner.account_id,
        "live": add_account(database, owner, mode="live"),
        "futures": add_account(database, owner, type="futures"),
    }
    _spot(database, owner)
    live = {"account_id": accounts["live"], "mode": "live"}
    add_order(database, owner, id="live-open", exchange_order_id="x1", amount=Decimal("0.01"), **live)
    add_order(database, owner, id="live-sent", status="unknown", updated_at=clock.now(), **live)
    _add(database, models.Balance, account_id=accounts["live"], currency="USDT", total=Decimal(5000))
    _book(database, accounts["live"], "USDT", "5000", "external")
    future = {"account_id": accounts["futures"], "symbol": "BTC/USDT:USDT"}
    _filled(database, owner, "long", amount="0.2", cost="8000", fee="8", **future)
    _book(database, accounts["futures"], "USDT", "1000", "deposit")
    _book(database, accounts["futures"], "USDT", "-8", "fee", "long")
    _add(database, models.Balance, account_id=accounts["futures"], currency="USDT", total=Decimal(992))
    _add(
        database,
        models.Position,
        **{**future, "amount": Decimal("0.2"), "entry_price": Decimal(40_000), "leverage": Decimal(10)},
        margin=Decimal(800),
        realized_pnl=Decimal(0),
        updated_at=MORNING,
    )
    accounts["strategy"] = _strategy(database, owner)
    _events(database, owner)
    key = {"user_id": owner.id, "request_hash": "", "created_at": MORNING}
    _add(database, models.IdempotencyKey, key="of-an-order", order_id="bought", **key)
    _add(database, models.IdempotencyKey, key="of-an-answer", answer="{}", **key)
    return accounts


def _spot(database: Database, owner: SignedIn) -> None:
    _filled(database, owner, "bought", amount="0.1", cost="4000", fee="4", take_profit=EXIT)
    for currency, amount, kind, trade in (
        ("USDT", "10000", "deposit", None),
        ("BTC", "0.1", "trade", "bought"),
        ("USDT", "-4000", "trade", "bought"),
        ("USDT", "-4", "fee", "bought"),
    ):
        _book(database, owner.account_id, currency, amount, kind, trade)
    for currency, total in (("USDT", "5996"), ("BTC", "0.1")):
        _add(database, models.Balance, account_id=owner.account_id, currency=currency, total=Decimal(total))
    add_order(database, owner, id="rests", amount=Decimal("0.12"))
    add_order(database, owner, id="entry", stop_loss=EXIT, amount=Decimal("0.02"))
    add_order(database, owner, id="exit", side="sell", parent_id="bought", amount=Decimal("0.05"))
    pair = {"side": "sell", "group_id": "pair", "amount": Decimal("0.05")}
    add_order(database, owner, id="pair-limit", price=Decimal(50_000), **pair)
    add_order(database, owner, id="pair-stop", type="stop", price=None, stop_price=Decimal(30_000), **pair)


def _strategy(database: Database, owner: SignedIn) -> str:
    """Write a strategy that has given back what it got."""
    account = add_account(database, owner)
    for mine, amount in ((account, "100"), (owner.account_id, "-100"), (owner.account_id, "100"), (account, "-100")):
        _book(database, mine, "USDT", amount, "transfer")
    _add(database, models.Balance, account_id=account, currency="USDT", total=Decimal(0))
    _add(
        database,
        models.Strategy,
        id=new_id(),
        user_id=owner.id,
        name="grid",
        account_id=account,
        parent_id=owner.account_id,
        strategy_class="grid",
        portfolio_name="BTC/USDT",
        settings="{}",
        funding=Decimal(100),
        state="stopped",
        run=1,
        created_at=MORNING,
        updated_at=MORNING,
    )
    return account


def _filled(database: Database, owner: SignedIn, name: str, *, amount: str, cost: str, fee: str, **values: Any) -> None:
    exact = {"amount": Decimal(amount), "cost": Decimal(cost)}
    place = {key: value for key, value in values.items() if key in {"account_id", "symbol"}}
    done = {"status": "filled", "filled": Decimal(amount), "average": Decimal(cost) / Decimal(amount)}
    add_order(database, owner, id=name, type="market", price=None, **done, **exact, **values)
    add_trade(database, owner, name, id=f"{name}-fill", fee_cost=Decimal(fee), **exact, **place)


def _book(database: Database, account: str, currency: str, amount: str, kind: str, order_id: str | None = None) -> None:
    _add(
        database,
        models.LedgerEntry,
        **{"id": new_id(), "account_id": account, "currency": currency},
        amount=Decimal(amount),
        kind=kind,
        order_id=order_id,
        trade_id=f"{order_id}-fill" if order_id else None,
        created_at=MORNING,
    )


def _events(database: Database, owner: SignedIn) -> None:
    with database.read() as connection:
        orders = connection.execute(models.Order.__table__.select().order_by(models.Order.id)).all()
    for number, order in enumerate(orders, start=1):
        payload = json.dumps({"id": order.id, "status": order.status})
        event = {"user_id": owner.id, "id": number, "account_id": order.account_id, "type": "order"}
        _add(database, models.Event, **event, payload=payload, created_at=MORNING)
    _add(database, models.EventCounter, user_id=owner.id, last_id=len(orders))


def _add(database: Database, table: Any, **values: Any) -> None:
    with database.write() as session:
        session.execute(insert(table).values(**values))
