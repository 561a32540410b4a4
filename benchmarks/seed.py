"""Accounts with open orders in a database, as the engine would have written them, and users who are signed in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import insert

import migrations
from models import Account, Balance, Database, LedgerEntry, Order, Session, User
from models.records import ledger_row
from services.users.tokens import SESSION_LIFETIME, Claims, Tokens
from utils import clock
from utils.ids import new_id
from utils.wire import Actor

SYMBOL = "BTC/USDT"
BALANCE = Decimal(10_000)
AMOUNT = Decimal("0.001")


def seed(url: str, *, accounts: int, orders: int, price: Decimal) -> list[tuple[Actor, str]]:
    """Make users with a funded paper account each and resting buys at `price`; return owners and account ids."""
    database = Database(url, pool_size=1)
    migrations.upgrade(database)
    now = clock.now()
    made = [(new_id(), new_id()) for _ in range(accounts)]
    ledger = [
        ledger_row(entry_id=new_id(), account=account, currency="USDT", amount=BALANCE, kind="deposit", at=now)
        for _, account in made
    ]
    totals = [{"account_id": account, "currency": "USDT", "total": BALANCE, "entry_price": None} for _, account in made]
    with database.write() as session:
        connection = session.connection()
        for table, rows in (
            (User, [_user(user) for user, _ in made]),
            (Account, [_account(user, account) for user, account in made]),
            (Balance, totals),
            (LedgerEntry, ledger),
            (Order, [_order(user, account, price) for user, account in made for _ in range(orders)]),
        ):
            if rows:
                connection.execute(insert(table), rows)
    database.close()
    return [(Actor(user_id=user), account) for user, account in made]


def _user(user: str) -> dict[str, Any]:
    now = clock.now()
    email = f"{user}@example.com"
    names = {"username": user, "username_key": user, "email": email, "email_key": email}
    return {"id": user, **names, "password_hash": "-", "created_at": now, "updated_at": now}


def _account(user: str, account: str) -> dict[str, Any]:
    now = clock.now()
    return {
        "id": account,
        "user_id": user,
        "name": "Paper",
        "mode": "paper",
        "exchange": "demo",
        "type": "spot",
        "kind": "main",
        "reference_currency": "USDT",
        "starting_balance": BALANCE,
        "created_at": now,
        "updated_at": now,
    }


def _order(user: str, account: str, price: Decimal) -> dict[str, Any]:
    now, order = clock.now(), new_id()
    return {
        "id": order,
        "account_id": account,
        "user_id": user,
        "client_order_id": order,
        "mode": "paper",
        "exchange": "demo",
        "symbol": SYMBOL,
        "side": "buy",
        "type": "limit",
        "status": "accepted",
        "amount": AMOUNT,
        "filled": Decimal(0),
        "price": price,
        "cost": Decimal(0),
        "time_in_force": "gtc",
        "reduce_only": False,
        "created_at": now,
        "updated_at": now,
    }


def sign_in(url: str, secret: str, users: int) -> list[str]:
    """Make users who are signed in, and return an access token of each."""
    database, tokens = Database(url, pool_size=1), Tokens(secret)
    migrations.upgrade(database)
    now = clock.now()
    made = [(new_id(), new_id()) for _ in range(users)]
    sessions = [
        {"id": session, "user_id": user, "created_at": now, "last_used_at": now, "expires_at": now + SESSION_LIFETIME}
        for user, session in made
    ]
    with database.write() as session:
        session.connection().execute(insert(User), [_user(user) for user, _ in made])
        session.connection().execute(insert(Session), sessions)
    database.close()
    return [
        tokens.access(Claims(user_id=user, session_id=session, token_id=new_id()), is_admin=False)
        for user, session in made
    ]
