"""The bot's exchanges among the accounts of administrators, while nobody keeps a bot."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from models import Database
from services.bot.accounts import BotAccounts
from services.bot.records import BotRecords, Told
from tests.factories import SignedIn, with_key
from tests.problems import assert_problem
from utils import clock
from utils.wire import BotExchange

BOT = "bot-demo"
ORDER = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "amount": "0.1"}
READS = (
    "/api/portfolio?account=bot-demo",
    "/api/portfolio/balance?account=bot-demo",
    "/api/portfolio/positions?account=bot-demo",
    "/api/portfolio/history?account=bot-demo",
    "/api/portfolio/performance?account=bot-demo",
    "/api/orders?account=bot-demo",
    "/api/trades/history?account=bot-demo",
)
REFUSED: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
    ("POST", "/api/orders", {**ORDER, "account": BOT}),
    ("POST", "/api/orders/preview", {**ORDER, "account": BOT}),
    ("DELETE", "/api/orders?account=bot-demo", None),
    ("GET", "/api/orders/by-client-id/one?account=bot-demo", None),
    ("GET", "/api/orders-trades?account=bot-demo", None),
    ("GET", "/api/trading/trades/export?account=bot-demo", None),
    ("PATCH", "/api/accounts/bot-demo", {"name": "Mine"}),
    ("DELETE", "/api/accounts/bot-demo", None),
    ("POST", "/api/accounts/bot-demo/reset", {}),
    ("POST", "/api/accounts/bot-demo/deposit", {"currency": "USDT", "amount": "1"}),
    ("GET", "/api/trading/risk-limits?account=bot-demo", None),
    ("PUT", "/api/trading/risk-limits?account=bot-demo", {}),
    ("POST", "/api/trading/kill-switch", {"scope": "account", "account": BOT}),
    ("DELETE", "/api/trading/kill-switch?scope=account&account=bot-demo", None),
    ("DELETE", "/api/trading/positions/BTC-USDT:USDT?account=bot-demo", None),
    ("PUT", "/api/trading/positions/BTC-USDT:USDT/leverage", {"account": BOT, "leverage": "2"}),
    ("GET", "/api/paper-trading/wallet?account=bot-demo", None),
    (
        "POST",
        "/api/strategies/",
        {"strategy_class": "grid", "portfolio_name": "BTC/USDT", "account": BOT, "funding": "1"},
    ),
)


def told(exchange: str = "demo", mode: Any = "paper") -> BotExchange:
    return BotExchange(
        exchange=exchange, type="spot", mode=mode, reference_currency="USDT", symbols=["BTC/USDT"], trading_modes=[]
    )


@pytest.fixture
def accounts(database: Database, admin: SignedIn, user: SignedIn) -> BotAccounts:
    made = BotAccounts(database)
    made.keep([told()])
    return made


def listed(client: FlaskClient, headers: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/api/accounts{query}", headers=headers)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.get_json()["data"]
    return found


def ids(client: FlaskClient, headers: dict[str, str], query: str = "") -> list[str]:
    return [each["id"] for each in listed(client, headers, query)]


@pytest.mark.usefixtures("accounts")
def test_administrators_see_them_and_nobody_else_does(
    client: FlaskClient, app: Flask, admin: SignedIn, user: SignedIn
) -> None:
    found = listed(client, admin.headers)
    assert [each["id"] for each in found] == [admin.account_id, BOT]
    bot = found[1]
    assert (bot["kind"], bot["mode"], bot["type"], bot["exchange"]) == ("bot", "paper", "spot", "demo")
    assert (bot["status"], bot["reference_currency"], bot["name"]) == ("active", "USDT", "Bot at demo")
    assert client.get(f"/api/accounts/{BOT}", headers=admin.headers).get_json()["data"] == bot

    assert ids(client, user.headers) == [user.account_id]
    # an administrator's key sees the bot with the scope that looks at it
    assert ids(client, with_key(app, admin, "read")) == [admin.account_id]
    assert ids(client, with_key(app, admin, "read", "admin")) == [admin.account_id, BOT]
    assert_problem(client.get(f"/api/accounts/{BOT}", headers=user.headers), 404, "account_not_found")
    for path in READS:
        assert_problem(client.get(path, headers=user.headers), 404, "account_not_found")
    assert_problem(client.get("/api/accounts/bot-other", headers=admin.headers), 404, "account_not_found")


@pytest.mark.usefixtures("accounts")
def test_pages_hold_them_where_they_belong(client: FlaskClient, admin: SignedIn) -> None:
    first = client.get("/api/accounts?limit=1", headers=admin.headers).get_json()
    cursor = first["pagination"]["next_cursor"]
    assert [each["id"] for each in first["data"]] == [admin.account_id]
    second = client.get(f"/api/accounts?limit=1&cursor={cursor}", headers=admin.headers).get_json()
    assert [each["id"] for each in second["data"]] == [BOT]
    assert second["pagination"]["next_cursor"] is None


def test_one_that_is_traded_no_more_is_archived_and_comes_back_as_it_was(
    client: FlaskClient, admin: SignedIn, accounts: BotAccounts
) -> None:
    before = listed(client, admin.headers)[1]
    accounts.keep([told("binance", "live")])
    assert ids(client, admin.headers, "?status=active")[1:] == ["bot-binance"]
    assert ids(client, admin.headers, "?status=archived") == [BOT]
    assert client.get("/api/accounts/bot-binance", headers=admin.headers).get_json()["data"]["mode"] == "live"
    accounts.keep([told(), told("binance", "live")])
    assert listed(client, admin.headers)[1] == before


@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize(("method", "path", "body"), REFUSED, ids=[f"{each[0]} {each[1]}" for each in REFUSED])
def test_what_would_have_a_hand_in_them_is_refused(
    client: FlaskClient, admin: SignedIn, user: SignedIn, method: str, path: str, body: dict[str, Any] | None
) -> None:
    problem = assert_problem(client.open(path, method=method, json=body, headers=admin.headers), 409, "account_managed")
    assert "/api/bot" in problem["detail"]
    assert_problem(client.open(path, method=method, json=body, headers=user.headers), 404, "account_not_found")


@pytest.mark.parametrize("path", READS)
@pytest.mark.usefixtures("accounts")
def test_a_bot_that_is_not_there_says_so(client: FlaskClient, admin: SignedIn, database: Database, path: str) -> None:
    assert_problem(client.get(path, headers=admin.headers), 409, "bot_stopped")
    client.post("/api/bot/start", headers=admin.headers)
    assert_problem(client.get(path, headers=admin.headers), 503, "bot_unavailable")
    failed = Told(state="error", since=clock.now(), number=1, error="no luck", failed_at=clock.now())
    BotRecords(database, autostart=False).tell(failed)
    assert_problem(client.get(path, headers=admin.headers), 409, "bot_failed")
