"""Every route that changes something leaves an audit row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

import models
from models import Database
from tests import authenticator
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import PASSWORD, SignedIn, sign_in
from tests.integration.test_permissions import routes
from tests.manual_market import ManualMarket
from utils.octobot_bridge import OctoBotBridge

CHANGES_NOTHING = {"/api/trading/orders/preview", "/api/orders/preview", "/api/notifications/read"}
"""Nothing but what the caller has read counts as nothing."""

LOOKED_AT_ELSEWHERE = {
    *("/api/credentials", "/api/strategies", "/api/webhooks", "/api/backtesting", "/api/gateway", "/api/tournaments"),
    *("/api/notifications/email", "/api/config", "/api/bot"),
}
"""Routes that need an exchange, a strategy, a worker, a bot or a tournament; their own tests look at their rows."""

LIMIT = {"symbol": SYMBOL, "side": "buy", "amount": "0.001", "price": "40000"}
MARKET = {"symbol": SYMBOL, "side": "buy", "amount": "0.001"}
ALERT = {"symbol": SYMBOL, "condition": "above", "value": "99999"}


@dataclass
class Caller:
    """Whoever calls, with what their calls are about."""

    client: FlaskClient
    who: SignedIn
    other: SignedIn

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.open(path, method=method, headers=self.who.headers, json=body)
        assert answer.status_code < 300, (method, path, answer.get_data(as_text=True))
        return (answer.get_json() or {}).get("data")

    def order(self) -> str:
        return str(self("POST", "/api/trading/orders", LIMIT)["id"])

    def account(self, **body: Any) -> str:
        return str(self("POST", "/api/accounts", {"name": "Extra", **body})["id"])

    def totp(self) -> str:
        secret: str = self("POST", "/api/auth/totp/enroll", {"password": PASSWORD})["secret"]
        return secret


KEY = {"name": "x", "scopes": ["read"], "password": PASSWORD}
Call = Callable[[Caller], Any]
CALLS: dict[tuple[str, str], tuple[Call | None, str, Any]] = {
    ("POST", "/api/auth/signup"): (
        None,
        "/api/auth/signup",
        {"username": "grace", "email": "grace@example.com", "password": PASSWORD},
    ),
    ("POST", "/api/auth/stream-ticket"): (None, "/api/auth/stream-ticket", None),
    ("PATCH", "/api/auth/me"): (None, "/api/auth/me", {"locale": "de"}),
    ("POST", "/api/auth/password"): (
        None,
        "/api/auth/password",
        {"current_password": PASSWORD, "new_password": "another-long-lovely-day"},
    ),
    ("POST", "/api/auth/email"): (
        None,
        "/api/auth/email",
        {"email": "else@example.com", "password": PASSWORD},
    ),
    ("POST", "/api/auth/logout"): (None, "/api/auth/logout", None),
    ("POST", "/api/auth/logout-all"): (None, "/api/auth/logout-all", None),
    ("DELETE", "/api/auth/sessions/<session_id>"): (
        lambda call: call.who.principal.session_id,
        "/api/auth/sessions/{}",
        None,
    ),
    ("POST", "/api/auth/api-keys"): (None, "/api/auth/api-keys", KEY),
    ("DELETE", "/api/auth/api-keys/<api_key_id>"): (
        lambda call: call("POST", "/api/auth/api-keys", KEY)["id"],
        "/api/auth/api-keys/{}",
        None,
    ),
    ("POST", "/api/auth/totp/enroll"): (None, "/api/auth/totp/enroll", {"password": PASSWORD}),
    ("POST", "/api/auth/me/deletion"): (None, "/api/auth/me/deletion", {"password": PASSWORD}),
    ("PUT", "/api/settings"): (None, "/api/settings", {}),
    ("PUT", "/api/notifications/settings"): (
        None,
        "/api/notifications/settings",
        {"settings": [{"kind": "fill", "in_app": False, "webhook": False}]},
    ),
    ("POST", "/api/admin/announcements"): (None, "/api/admin/announcements", {"title": "Down", "message": "Soon."}),
    ("POST", "/api/alerts"): (None, "/api/alerts", ALERT),
    ("DELETE", "/api/alerts/<alert_id>"): (
        lambda call: call("POST", "/api/alerts", ALERT)["id"],
        "/api/alerts/{}",
        None,
    ),
    ("POST", "/api/accounts"): (None, "/api/accounts", {"name": "Extra"}),
    ("PATCH", "/api/accounts/<account_id>"): (Caller.account, "/api/accounts/{}", {"name": "Other"}),
    ("DELETE", "/api/accounts/<account_id>"): (Caller.account, "/api/accounts/{}", None),
    ("POST", "/api/accounts/<account_id>/reset"): (Caller.account, "/api/accounts/{}/reset", {}),
    ("POST", "/api/accounts/<account_id>/deposit"): (
        Caller.account,
        "/api/accounts/{}/deposit",
        {"currency": "USDT", "amount": "1"},
    ),
    ("POST", "/api/trading/orders"): (None, "/api/trading/orders", LIMIT),
    ("POST", "/api/trading/orders/batch"): (None, "/api/trading/orders/batch", {"orders": [LIMIT]}),
    ("PATCH", "/api/trading/orders/<order_id>"): (Caller.order, "/api/trading/orders/{}", {"amount": "0.002"}),
    ("DELETE", "/api/trading/orders/<order_id>"): (Caller.order, "/api/trading/orders/{}", None),
    ("DELETE", "/api/trading/orders"): (Caller.order, "/api/trading/orders", None),
    ("DELETE", "/api/trading/positions/<path:symbol>"): (
        lambda call: call("POST", "/api/trading/orders", MARKET),
        "/api/trading/positions/BTC-USDT",
        None,
    ),
    ("PUT", "/api/trading/risk-limits"): (None, "/api/trading/risk-limits", {"max_order_value": "9"}),
    ("POST", "/api/trading/kill-switch"): (None, "/api/trading/kill-switch", {"scope": "user"}),
    ("DELETE", "/api/trading/kill-switch"): (
        lambda call: call("POST", "/api/trading/kill-switch", {"scope": "user"}),
        "/api/trading/kill-switch?scope=user",
        None,
    ),
    ("POST", "/api/paper-trading/orders"): (None, "/api/paper-trading/orders", LIMIT),
    ("DELETE", "/api/paper-trading/positions/<path:position_id>"): (
        lambda call: call("POST", "/api/trading/orders", MARKET),
        "/api/paper-trading/positions/BTC-USDT",
        None,
    ),
    ("PUT", "/api/admin/users/<user_id>"): (lambda call: call.other.id, "/api/admin/users/{}", {"role": "admin"}),
    ("POST", "/api/admin/users/<user_id>/deletion"): (
        lambda call: call.other.id,
        "/api/admin/users/{}/deletion",
        {"password": PASSWORD},
    ),
}
"""What to do before, whose outcome goes into the path; the path; the body."""

OWN_TESTS = {
    ("PATCH", "/api/admin/prizes/<prize_id>"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/auth/totp/confirm"),
    ("POST", "/api/auth/totp/disable"),
    ("PUT", "/api/trading/positions/<path:symbol>/leverage"),
}
"""Routes that need more than a call before them, and whose own tests look at their audit rows."""


def test_every_route_that_changes_something_is_looked_at(app: Flask) -> None:
    first: dict[Any, tuple[str, str]] = {}
    for rule, method, _ in routes(app):
        if method != "GET":
            first.setdefault(app.view_functions[rule.endpoint], (method, rule.rule))
    changing = {
        route
        for route in first.values()
        if route[1] not in CHANGES_NOTHING and not any(route[1].startswith(path) for path in LOOKED_AT_ELSEWHERE)
    }
    aliases = {(method, path.replace("/api/orders", "/api/trading/orders")) for method, path in changing}
    assert aliases == set(CALLS) | OWN_TESTS


class TestEveryCall:
    @pytest.fixture
    def bridge(self, engine_bridge: OctoBotBridge) -> OctoBotBridge:
        return engine_bridge

    def test_leaves_a_row(
        self, app: Flask, client: FlaskClient, database: Database, market: ManualMarket, host: EngineHost
    ) -> None:
        market.set_price(SYMBOL, Decimal(50_000))
        host.tick()
        sign_in(app, database, role="admin")  # one who stays
        for route, (prepare, path, body) in CALLS.items():
            call = Caller(client, sign_in(app, database, role="admin"), sign_in(app, database))
            thing = prepare(call) if prepare is not None else None
            before = count(database)
            call(route[0], path.format(thing), body)
            assert count(database) > before, route


def count(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(models.AuditEntry)).scalar_one()


def test_second_factors_leave_rows(client: FlaskClient, database: Database, user: SignedIn) -> None:
    call = Caller(client, user, user)
    secret = call.totp()
    before = count(database)
    codes = call("POST", "/api/auth/totp/confirm", {"totp": authenticator.code(secret)})["recovery_codes"]
    assert count(database) == before + 1
    call("POST", "/api/auth/totp/disable", {"password": PASSWORD, "totp": codes[0]})
    assert count(database) == before + 2
