"""An installation that has traded keeps everything when it is brought to the newest schema."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

import migrations
from models import Base, Database
from tests.databases import Factory

USER = "INSERT INTO users VALUES ('u', 'ann', 'ann', 'a@x.y', 'a@x.y', 'hash', 'user', TRUE, :now, :now)"
ACCOUNT = (
    "INSERT INTO accounts VALUES"
    " (:id, 'u', 'Paper', 'paper', 'demo', 'spot', 'main', 'USDT', '10000', 'active', :now, :now)"
)
ORDER = (
    "INSERT INTO orders (id, account_id, user_id, client_order_id, mode, exchange, symbol, side, type, status, amount,"
    " filled, cost, time_in_force, reduce_only, created_at, updated_at)"
    " VALUES ('o', 'opened', 'u', 'mine', 'paper', 'demo', 'BTC/USDT', 'buy', 'limit', 'accepted', '1', '0', '0',"
    " 'gtc', FALSE, :now, :now)"
)
TRADE = (
    "INSERT INTO trades (id, order_id, account_id, user_id, mode, exchange, symbol, side, price, amount, cost,"
    " created_at) VALUES (:id, 'o', 'opened', 'u', 'paper', 'demo', 'BTC/USDT', 'buy', '1', '1', '1', :now)"
)


def upgrade(database: Database, revision: str) -> None:
    with database.write() as session:
        config = migrations._config()
        config.attributes["connection"] = session.connection()
        command.upgrade(config, revision)


def emptied(database: Database, directory: Path) -> Database:
    if database.is_sqlite:
        database.close()
        return Database(f"sqlite:///{directory / 'empty.db'}")
    with database.write() as session:
        session.execute(text("DROP SCHEMA public CASCADE"))
        session.execute(text("CREATE SCHEMA public"))
    return database


def test_what_was_there_before_the_second_revision_is_kept(new_database: Factory, tmp_path: Path) -> None:
    database = emptied(new_database(tmp_path), tmp_path)
    upgrade(database, "0001")
    now = {"now": "2026-01-01 00:00:00+00:00" if not database.is_sqlite else "2026-01-01 00:00:00.000000"}
    with database.write() as session:
        session.execute(text(USER), now)
        for account in ("opened", "new"):
            session.execute(text(ACCOUNT), {**now, "id": account})
        session.execute(text("INSERT INTO balances VALUES ('opened', 'USDT', '10000', NULL)"))
        session.execute(text(ORDER), now)
        for trade in ("one", "two"):
            session.execute(text(TRADE), {**now, "id": trade})

    migrations.upgrade(database)

    with database.read() as connection:
        deposits = {row.id: row.deposited for row in connection.execute(text("SELECT id, deposited FROM accounts"))}
        assert {account: deposited and int(deposited) for account, deposited in deposits.items()} == {
            "opened": 10_000,
            "new": None,
        }
        kept = connection.execute(text("SELECT client_order_id, exchange_order_id FROM orders")).all()
        assert [tuple(row) for row in kept] == [("mine", None)]
        assert connection.execute(text("SELECT count(*) FROM trades")).scalar_one() == 2
        broken = connection.execute(text("PRAGMA foreign_key_check")).all() if database.is_sqlite else []
        assert broken == []
        # some column types are ours: SQLite tells them as text
        schema = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(schema, Base.metadata) == []
    database.close()
