"""What a strategy needs to run, in a database of its own: a user, an account that funds it, and its row."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from functools import cache
from pathlib import Path

import msgspec

import migrations
import models
from config import Settings
from engine.backtests.run import Backtest
from models import Database
from utils import clock, ids
from utils.money import ZERO

NAME = "backtest"
EXCHANGE = "demo"


class Stage(msgspec.Struct, frozen=True):
    """The ids of what was set up."""

    user: str
    account: str


def settings(directory: Path) -> Settings:
    """Return the settings of an engine that lives in `directory` alone."""
    return Settings(
        data_dir=directory,
        database_url=f"sqlite:///{_file(directory)}",
        max_open_orders=1_000,
        accounts_in_memory=10,
    )


@cache
def _empty() -> bytes:
    """Return a database without rows; migrating takes longer than most sweeps' candles."""
    with tempfile.TemporaryDirectory(prefix="backtest-") as directory:
        database = Database(settings(Path(directory)).database_url)
        migrations.upgrade(database)
        database.close()
        return _file(Path(directory)).read_bytes()


def _file(directory: Path) -> Path:
    return directory / "backtest.db"


def prepare(directory: Path) -> None:
    """Put a database without rows into `directory`, before anybody opens it."""
    _file(directory).write_bytes(_empty())


def set_up(database: Database, backtest: Backtest, currency: str) -> Stage:
    """Write the strategy, ready to be funded with what the portfolio has of `currency`."""
    user, parent, account, now = ids.new_id(), ids.new_id(), ids.new_id(), clock.now()
    funding = backtest.portfolio[currency]
    with database.write() as session:
        session.add(
            models.User(
                id=user,
                username=NAME,
                username_key=NAME,
                email=NAME,
                email_key=NAME,
                password_hash="",
                created_at=now,
                updated_at=now,
            )
        )
        session.flush()
        session.add(_account(parent, user, "parent", currency, funding))
        session.add(_account(account, user, "strategy", currency, ZERO))
        session.flush()
        session.add(
            models.Strategy(
                id=ids.new_id(),
                user_id=user,
                name=NAME,
                account_id=account,
                parent_id=parent,
                strategy_class=backtest.strategy_class,
                portfolio_name=",".join(backtest.symbols),
                settings=msgspec.json.encode(backtest.settings).decode(),
                funding=funding,
                state="created",
                run=0,
                created_at=now,
                updated_at=now,
            )
        )
    return Stage(user, account)


def _account(account: str, user: str, kind: str, currency: str, balance: Decimal) -> models.Account:
    return models.Account(
        id=account,
        user_id=user,
        name=kind,
        mode="paper",
        exchange=EXCHANGE,
        type="spot",
        kind="strategy" if kind == "strategy" else "main",
        reference_currency=currency,
        starting_balance=balance,
        status="active",
        created_at=clock.now(),
        updated_at=clock.now(),
    )
