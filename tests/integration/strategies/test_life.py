"""The life of a strategy: from state to state, and its money from hand to hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, update

import models
from engine.strategies import registry
from models import Database
from tests.factories import SignedIn
from tests.integration.strategies.faulty import Faulty
from tests.integration.strategies.owner import GRID, Owner, eventually
from tests.problems import assert_problem
from utils.wire import STRATEGY_ACTIONS, STRATEGY_MOVES, STRATEGY_STATES, StrategyAction, StrategyState

WAYS: dict[StrategyState, tuple[str, ...]] = {
    "created": (),
    "initialized": ("init",),
    "running": ("init", "start"),
    "stopped": ("init", "stop"),
    "error": ("init", "start"),
    "removed": ("remove",),
}
"""How a strategy comes into each state; the one that goes into `error` fails by itself."""


def act(ada: Owner, action: StrategyAction, name: str = "mine") -> int:
    """Do an action and return the status of the answer."""
    if action == "restore":
        return ada.send("POST", "restore", strategy_name=name).status_code
    method = "DELETE" if action in {"remove", "delete"} else "POST"
    return ada.send(method, f"{name}/{action}").status_code


def test_a_grid_lives(ada: Owner) -> None:
    added = ada.add()
    assert (added["state"], added["mode"], added["exchange"]) == ("created", "paper", "demo")
    assert ada.ok("POST", "mine/init")["state"] == "initialized"
    assert ada.balance(added["account"]) == {"USDT": Decimal(5_000)}
    assert ada.balance() == {"USDT": Decimal(5_000)}
    assert ada.ok("POST", "mine/start")["state"] == "running"
    eventually(lambda: len(ada.orders(status="open")) == 6)
    assert ada.open_names() == [f"mine:{side}{line}:1-0" for side in ("down", "up") for line in (1, 2, 3)]
    ada.price(49_400)
    eventually(lambda: "mine:down1:1-1" in ada.open_names())
    ada.price(50_600)
    eventually(lambda: {"mine:down1:1-2", "mine:up1:1-1"} <= set(ada.open_names()))
    assert len(ada.open_names()) == 6
    assert not ada.differences()
    assert ada.ok("POST", "mine/stop")["state"] == "stopped"
    assert ada.orders(status="open") == []
    assert ada.balance(added["account"]) == {}
    assert set(ada.balance()) == {"USDT", "BTC"}
    assert not ada.differences()


@pytest.mark.parametrize("state", STRATEGY_STATES)
def test_moves_are_those_of_the_table(
    ada: Owner, state: StrategyState, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    monkeypatch.setitem(registry.kinds(), "faulty", Faulty)
    for number, action in enumerate(STRATEGY_ACTIONS):
        name = f"s{number}"
        fault = "raise" if state == "error" else "none"
        account = ada.add(name, strategy_class="faulty", settings={"fault": fault}, funding="500")["account"]
        for step in WAYS[state]:
            assert act(ada, step, name) == 200  # type: ignore[arg-type]
        eventually(lambda name=name: ada.get(name)["state"] == state)  # type: ignore[misc]
        target = STRATEGY_MOVES[action].get(state, state)
        before = ada.balance(), ada.events(account)  # those started before it go on placing
        if target == state:
            method = "DELETE" if action in {"remove", "delete"} else "POST"
            path = "restore" if action == "restore" else f"{name}/{action}"
            body = {"strategy_name": name} if action == "restore" else {}
            assert_problem(ada.send(method, path, **body), 409, f"strategy_{state}")
            assert ada.get(name)["state"] == state
            if state != "running":  # which may go on placing
                assert (ada.balance(), ada.events(account)) == before
        else:
            assert act(ada, action, name) == 200
            if target is None:
                assert_problem(ada.send("GET", name), 404, "strategy_not_found")
            elif fault == "none":
                assert ada.get(name)["state"] == target
    assert not ada.differences()
    with database.read() as connection:
        moved = select(func.count()).select_from(models.AuditEntry).where(models.AuditEntry.action == "strategy.init")
        assert connection.execute(moved).scalar_one() >= 1


def test_money_moves_in_both_books_and_counts_as_paid_in(ada: Owner, database: Database) -> None:
    account = ada.running(settings={**GRID, "levels": 1})["account"]
    eventually(lambda: len(ada.open_names()) == 2)
    ada.price(49_500)
    eventually(lambda: "mine:down1:1-1" in ada.open_names())
    ada.ok("POST", "mine/stop")
    entry = models.LedgerEntry
    with database.read() as connection:
        query = select(entry.account_id, entry.currency, entry.amount, entry.value).where(entry.kind == "transfer")
        moved = connection.execute(query).all()
        rows = connection.execute(select(models.Account.id, models.Account.deposited)).all()
    deposited = {row.id: row.deposited for row in rows}
    for currency in ("USDT", "BTC"):
        assert sum(row.amount for row in moved if row.currency == currency) == 0
        assert sum(row.value for row in moved if row.currency == currency) == 0
    assert {row.currency for row in moved} == {"USDT", "BTC"}
    # what the strategy lost in fees and on its coins is its loss, not its parent's
    lost = deposited[account]
    assert lost is not None
    assert lost > 0
    assert deposited[ada.user.account_id] == 10_000 - lost
    worth = sum(amount if currency == "USDT" else amount * 49_500 for currency, amount in ada.balance().items())
    assert worth == 10_000 - lost
    [holding] = ada.ok("GET", "holdings")
    assert (Decimal(holding["value"]), Decimal(holding["profit"])) == (0, -lost)


def test_stopped_ones_are_funded_anew(ada: Owner) -> None:
    account = ada.running()["account"]
    eventually(lambda: len(ada.open_names()) == 6)
    ada.ok("POST", "mine/stop")
    assert ada.ok("POST", "mine/start")["state"] == "running"
    eventually(lambda: len(ada.open_names()) == 6)
    assert ada.open_names() == [f"mine:{side}{line}:2-0" for side in ("down", "up") for line in (1, 2, 3)]
    assert Decimal(4_990) < ada.balance(account)["USDT"] + ada.balance(account)["BTC"] * 50_000 < Decimal(5_000)
    assert not ada.differences()


def test_what_the_parent_has_not_cannot_be_given(ada: Owner) -> None:
    added = ada.add(funding="10001")
    assert ada.balance(added["account"]) == {}
    before = ada.balance(), ada.events()
    assert_problem(ada.send("POST", "mine/init"), 422, "insufficient_funds")
    assert ada.get()["state"] == "created"
    assert (ada.balance(), ada.events()) == before


def test_keys_repeat_the_first_outcome(ada: Owner) -> None:
    wanted = {"strategy_class": "dca", "portfolio_name": "btc-usdt", "funding": "100", "settings": {"every": 3}}
    first = ada.send("POST", "", key="add", **wanted)
    assert ada.send("POST", "", key="add", **wanted).get_json() == first.get_json()
    assert first.get_json()["data"]["name"] == "dca_BTC-USDT"
    name = first.get_json()["data"]["name"]
    once = ada.send("POST", f"{name}/init", key="init")
    again = ada.send("POST", f"{name}/init", key="init")
    assert once.get_json()["data"] == again.get_json()["data"]
    assert ada.balance() == {"USDT": Decimal(9_900)}
    assert_problem(ada.send("POST", f"{name}/init", key="another"), 409, "strategy_initialized")
    assert_problem(ada.send("POST", f"{name}/start", key="init"), 422, "idempotency_key_reused")


def test_nobody_else_sees_or_moves_them(ada: Owner, other: SignedIn) -> None:
    account = ada.running()["account"]
    ada.ok("POST", "mine/signal-keys")
    user, ada.user = ada.user, other
    assert ada.ok("GET", "") == []
    assert ada.ok("GET", "holdings") == []
    paths = ["mine", "mine/performance", "mine/log", "mine/signal-keys"]
    for path in paths:
        assert_problem(ada.send("GET", path), 404, "strategy_not_found")
    for path in ("mine/init", "mine/start", "mine/stop", "mine/signal-keys"):
        assert_problem(ada.send("POST", path), 404, "strategy_not_found")
    for path in ("mine/remove", "mine/delete", "mine/signal-keys/some"):
        assert_problem(ada.send("DELETE", path), 404, "strategy_not_found")
    assert_problem(ada.send("PATCH", "mine", settings={"levels": 1}), 404, "strategy_not_found")
    assert_problem(ada.send("POST", "restore", strategy_name="mine"), 404, "strategy_not_found")
    # the name is free for others, the account is not theirs to take from
    assert_problem(ada.send("POST", "", strategy_class="dca", portfolio_name="BTC/USDT", funding="1",
                            account=user.account_id), 404, "account_not_found")  # fmt: skip
    assert ada.add("mine", account=None)["state"] == "created"
    ada.user = user
    assert ada.get()["account"] == account
    assert ada.get()["state"] == "running"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"strategy_class": "martingale"}, 422, "unknown_strategy_class"),
        ({"portfolio_name": "BTC/EUR"}, 404, "unknown_symbol"),
        ({"portfolio_name": "BTC/USDT,ETH/USDT"}, 422, "invalid_portfolio_name"),
        ({"portfolio_name": "ETH/BTC"}, 422, "wrong_quote_currency"),
        ({"portfolio_name": "BTC/USDT:USDT"}, 422, "not_a_spot_market"),
        ({"settings": {"levels": 0}}, 422, "invalid_settings"),
        ({"settings": {"levels": "many"}}, 422, "invalid_settings"),
        ({"settings": {"lines": 3}}, 422, "invalid_settings"),
        ({"settings": {"spacing_percent": "NaN"}}, 422, "invalid_settings"),
        ({"settings": {"levels": 50, "spacing_percent": "2"}}, 422, "invalid_settings"),
        ({"funding": "0"}, 422, "validation_failed"),
        ({"name": "updates"}, 422, "name_reserved"),
        ({"name": "a/b"}, 422, "validation_failed"),
        ({"setting": {}, "settings": {}}, 422, "validation_failed"),
    ],
)
def test_what_does_not_fit_is_refused_whole(ada: Owner, fields: dict[str, Any], status: int, code: str) -> None:
    wanted: dict[str, Any] = {"strategy_class": "grid", "portfolio_name": "BTC/USDT", "funding": "100", **fields}
    assert_problem(ada.send("POST", "", **wanted), status, code)
    assert ada.ok("GET", "") == []


def test_names_are_unique(ada: Owner) -> None:
    ada.add()
    assert_problem(
        ada.send("POST", "", strategy_class="dca", portfolio_name="BTC/USDT", funding="1", name="mine"),
        409,
        "name_taken",
    )
    ada.ok("DELETE", "mine/delete")
    assert ada.add("mine")["state"] == "created"


@pytest.mark.parametrize(
    ("columns", "status", "code"),
    [
        ({"mode": "live"}, 403, "live_trading_disabled"),
        ({"type": "futures"}, 422, "not_a_spot_account"),
        ({"status": "archived"}, 409, "account_archived"),
        ({"kind": "tournament"}, 409, "account_managed"),
    ],
)
def test_some_accounts_fund_none(
    ada: Owner, database: Database, columns: dict[str, str], status: int, code: str
) -> None:
    with database.write() as session:
        session.execute(update(models.Account).where(models.Account.id == ada.user.account_id).values(**columns))
    wanted = {"strategy_class": "dca", "portfolio_name": "BTC/USDT", "funding": "1", "account": ada.user.account_id}
    assert_problem(ada.send("POST", "", **wanted), status, code)


def test_a_strategy_trades_alone_on_its_account(ada: Owner) -> None:
    account = ada.running()["account"]
    eventually(lambda: len(ada.open_names()) == 6)
    order = {"account": account, "symbol": "BTC/USDT", "side": "buy", "type": "market", "amount": "0.001"}
    client, headers = ada.client, ada.user.headers
    assert_problem(client.post("/api/trading/orders", json=order, headers=headers), 409, "account_managed")
    first = ada.orders(status="open")[0]
    edit = client.patch(f"/api/trading/orders/{first['id']}", json={"amount": "0.02"}, headers=headers)
    assert_problem(edit, 409, "account_managed")
    assert_problem(client.post(f"/api/accounts/{account}/reset", json={}, headers=headers), 409, "account_managed")
    # to cancel is always allowed; the grid puts it back
    assert client.delete(f"/api/trading/orders/{first['id']}", headers=headers).status_code == 200
    eventually(lambda: len(ada.open_names()) == 6)
    assert not ada.differences()


def test_parents_stay_while_a_strategy_holds_their_money(ada: Owner) -> None:
    opened = ada.client.post("/api/accounts", json={"name": "Parent"}, headers=ada.user.headers).get_json()["data"]
    ada.add(account=opened["id"], funding="100")
    ada.ok("POST", "mine/init")
    path = f"/api/accounts/{opened['id']}"
    assert_problem(ada.client.delete(path, headers=ada.user.headers), 409, "account_in_use")
    ada.ok("DELETE", "mine/remove")
    assert ada.client.delete(path, headers=ada.user.headers).status_code == 200
    ada.ok("POST", "restore", strategy_name="mine")
    assert_problem(ada.send("POST", "mine/init"), 409, "account_archived")


def test_deleted_ones_leave_their_orders(ada: Owner, database: Database) -> None:
    account = ada.running()["account"]
    eventually(lambda: len(ada.open_names()) == 6)
    ada.ok("POST", "mine/signal-keys")
    ada.ok("POST", "mine/stop")
    ada.ok("DELETE", "mine/delete")
    assert_problem(ada.send("GET", "mine"), 404, "strategy_not_found")
    query = {"account": account}
    listed = ada.client.get("/api/trading/orders", query_string=query, headers=ada.user.headers).get_json()["data"]
    assert len(listed) == 7
    with database.read() as connection:
        status = select(models.Account.status).where(models.Account.id == account)
        assert connection.execute(status).scalar_one() == "archived"
        for table in (models.Strategy, models.StrategyLogEntry, models.SignalKey):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0
    assert not ada.differences()
