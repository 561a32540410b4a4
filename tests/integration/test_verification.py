"""Verification: right books have no difference, and every check finds the fault that is planted for it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import update

import models
from config import Settings
from models import Database
from services import verification
from tests import healthy_books
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.integration.test_commands import run
from utils.octobot_bridge import OctoBotBridge

Plant = Callable[..., None]
SOMEBODY = "00000000-0000-7000-8000-000000000000"

FAULTS = {
    "ledger": "UPDATE balances SET total = '5996.00000001' WHERE total = '5996'",
    "ledger without a balance": "DELETE FROM balances WHERE currency = 'BTC'",
    "ledger of one digit": "UPDATE ledger_entries SET amount = '5000.000000000000000001' WHERE kind = 'external'",
    "negative_balance": "UPDATE balances SET total = '-1' WHERE currency = 'BTC'",
    "booking": "DELETE FROM ledger_entries WHERE kind = 'fee'",
    "booking of another amount": "UPDATE ledger_entries SET amount = '0.2' WHERE currency = 'BTC'",
    "stray entry of no trade": "UPDATE ledger_entries SET trade_id = 'none' WHERE kind = 'deposit'",
    "stray entry of no order": "UPDATE ledger_entries SET order_id = 'none' WHERE kind = 'deposit'",
    "stray trade": "DELETE FROM orders WHERE id = 'long'",
    "lock": "UPDATE orders SET amount = '0.2' WHERE id = 'rests'",
    "lock of what is not there": "UPDATE orders SET symbol = 'ETH/USDT' WHERE id = 'exit'",
    "position": "UPDATE positions SET amount = '0.3'",
    "position without a row": "DELETE FROM positions",
    "margin": "UPDATE positions SET entry_price = NULL",
    "lock of a position": "UPDATE positions SET margin = '993'",
    "filled": "UPDATE trades SET amount = '0.05' WHERE id = 'bought-fill'",
    "filled twice": "INSERT INTO trades SELECT 'again', order_id, account_id, user_id, mode, exchange, symbol, side,"
    " price, amount, cost, fee_currency, fee_cost, realized_pnl, created_at, exchange_trade_id FROM trades"
    " WHERE id = 'bought-fill'",
    "cost": "UPDATE orders SET cost = '4000.1' WHERE id = 'bought'",
    "average": "UPDATE orders SET average = '40001' WHERE id = 'bought'",
    "average that is missing": "UPDATE orders SET average = NULL WHERE id = 'bought'",
    "status": "UPDATE orders SET status = 'canceled' WHERE id = 'bought'",
    "status that is not closed": "UPDATE orders SET closed_at = NULL WHERE id = 'bought'",
    "status that is closed": "UPDATE orders SET closed_at = created_at WHERE id = 'rests'",
    "status of a part": "UPDATE orders SET status = 'partially_filled' WHERE id = 'rests'",
    "exchange_order_id": "UPDATE orders SET exchange_order_id = 'x1' WHERE id = 'live-sent'",
    "oco_group": "UPDATE orders SET status = 'canceled', closed_at = created_at WHERE id = 'pair-stop'",
    "oco_group of one": "DELETE FROM orders WHERE id = 'pair-stop'",
    "bracket without an entry": "UPDATE orders SET parent_id = 'none' WHERE id = 'exit'",
    "bracket before its entry": "UPDATE orders SET parent_id = 'rests' WHERE id = 'exit'",
    "bracket without an exit": "DELETE FROM orders WHERE id = 'exit'",
    "stuck": "UPDATE orders SET updated_at = '2026-01-02 03:04:05.000000+00' WHERE id = 'live-sent'",
    "event_gap": "DELETE FROM events WHERE id = 3",
    "event_gap at the beginning": "DELETE FROM events WHERE id = 1",
    "event_counter": "UPDATE event_counters SET last_id = last_id + 1",
    "event_counter that is missing": "DELETE FROM event_counters",
    "event_counter of nothing": "DELETE FROM events",
    "move": "UPDATE orders SET status = 'pending_cancel' WHERE id = 'rests'",
    "move that is impossible": "INSERT INTO events SELECT user_id, 99, account_id, type, payload, created_at"
    " FROM events WHERE id = 2; UPDATE events SET id = 98,"
    ' payload = \'{"id": "bought", "status": "accepted"}\' WHERE id = 2',
    "idempotency_key": "UPDATE idempotency_keys SET order_id = 'none' WHERE key = 'of-an-order'",
    "idempotency_key of somebody": f"UPDATE idempotency_keys SET user_id = '{SOMEBODY}' WHERE key = 'of-an-order'",
    "transfer": "UPDATE ledger_entries SET amount = '100.1' WHERE kind = 'transfer' AND amount = '100'",
    "strategy_money": "UPDATE balances SET total = '1' WHERE account_id = (SELECT account_id FROM strategies)",
    "strategy_orders": "UPDATE orders SET account_id = (SELECT account_id FROM strategies) WHERE id = 'rests'",
    "idempotency_key of nothing": "UPDATE idempotency_keys SET answer = NULL",
}
"""By the check that must find it (its first word)."""

REPETITIONS = {
    "client_order_id": {
        "sqlite": "CREATE TABLE loose AS SELECT * FROM orders; DROP TABLE orders; ALTER TABLE loose RENAME TO orders;"
        " UPDATE orders SET client_order_id = 'exit' WHERE id = 'rests'",
        "postgresql": "ALTER TABLE orders DROP CONSTRAINT uq_orders_account_id_client_order_id;"
        " UPDATE orders SET client_order_id = 'exit' WHERE id = 'rests'",
    },
    "exchange_trade_id": dict.fromkeys(
        ("sqlite", "postgresql"),
        "DROP INDEX uq_trades_exchange_trade; UPDATE trades SET exchange_trade_id = 'x', symbol = 'ETH/USDT',"
        f" account_id = '{SOMEBODY}'",
    ),
}
"""What the schema forbids has to be allowed first."""


@pytest.fixture
def plant(database: Database) -> Plant:
    """Run statements without any constraint between tables."""

    def run_raw(statements: str) -> None:
        if database.path is not None:
            with sqlite3.connect(database.path) as connection:
                connection.executescript(statements.replace("+00'", "'"))
            connection.close()
            return
        url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url) as server:
            server.execute("SET session_replication_role = replica")
            for statement in statements.split(";"):
                server.execute(statement.encode())

    return run_raw


@pytest.fixture
def books(database: Database) -> dict[str, str]:
    return healthy_books.write(database, healthy_books.add_owner(database))


def found(database: Database) -> set[str]:
    return {difference.check for difference in verification.differences(database)}


def test_right_books_have_no_difference(database: Database, books: dict[str, str], settings: Settings) -> None:
    assert verification.differences(database) == []
    result = run(settings, "verify")
    assert (result.exit_code, result.stdout) == (0, "none\n")
    assert "engine does not run" in result.stderr


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(database: Database, books: dict[str, str], plant: Plant, fault: str) -> None:
    plant(FAULTS[fault])
    assert fault.split(maxsplit=1)[0] in found(database)


@pytest.mark.parametrize("check", REPETITIONS)
def test_a_planted_repetition_is_found(database: Database, books: dict[str, str], plant: Plant, check: str) -> None:
    plant(REPETITIONS[check]["sqlite" if database.is_sqlite else "postgresql"])
    assert check in found(database)


def test_every_check_has_a_planted_fault() -> None:
    planted = {fault.split()[0] for fault in FAULTS} | REPETITIONS.keys()
    assert len(verification.CHECKS) <= len(planted)


def test_what_is_no_fault_is_not_found(database: Database, books: dict[str, str], plant: Plant) -> None:
    # a stop-limit that has triggered rests alone, and an order that replaced another kept its id at the exchange
    plant("UPDATE orders SET triggered_at = created_at WHERE id = 'pair-stop'")
    plant("UPDATE orders SET status = 'canceled', closed_at = created_at WHERE id = 'pair-limit'")
    plant("UPDATE events SET payload = replace(payload, 'accepted', 'canceled') WHERE payload LIKE '%pair-limit%'")
    plant(
        "UPDATE orders SET status = 'replaced', exchange_order_id = 'x1', closed_at = created_at WHERE id = 'live-sent'"
    )
    plant("UPDATE events SET payload = replace(payload, 'unknown', 'replaced')")
    # what a restore leaves
    plant(
        "UPDATE events SET id = 4294967296, type = 'reset' WHERE id = (SELECT max(id) FROM events) AND type = 'order'"
    )
    plant("UPDATE event_counters SET last_id = 4294967296")
    assert [each for each in verification.differences(database) if each.check != "move"] == []


def test_differences_are_a_table_or_json_and_exit_code_1(
    database: Database, books: dict[str, str], plant: Plant, settings: Settings
) -> None:
    plant(FAULTS["ledger"])
    result = run(settings, "verify", "--no-engine")
    assert (result.exit_code, result.stderr) == (1, "")
    heading, line = result.stdout.splitlines()
    assert heading.split() == ["check", "account", "subject", "difference"]
    assert line.split() == ["ledger", books["spot"], "USDT", "ledger", "5996,", "balance", "5996.00000001"]

    result = run(settings, "verify", "--no-engine", "--json")
    assert result.exit_code == 1
    [shown] = json.loads(result.stdout)
    assert (shown["check"], shown["account"], shown["subject"]) == ("ledger", books["spot"], "USDT")


def test_memory_is_held_against_sql(
    host: EngineHost, engine_bridge: OctoBotBridge, database: Database, user: SignedIn, settings: Settings
) -> None:
    assert verification.differences(database, engine_bridge) == []
    result = run(settings, "verify")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "none\n", "")
    with database.write() as session:
        session.execute(update(models.Balance).values(total=9999))
        session.execute(update(models.LedgerEntry).values(amount=9999))
    [difference] = verification.differences(database, engine_bridge)
    assert (difference.check, difference.account, difference.subject) == ("memory", user.account_id, "USDT")
    assert run(settings, "verify").exit_code == 1
    assert run(settings, "verify", "--no-engine").exit_code == 0
