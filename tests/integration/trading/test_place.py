"""Placing and previewing orders over HTTP: names, answers, and everything that is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.factories import SignedIn
from tests.fake_engine import FakeEngine
from tests.integration.trading.conftest import Post
from tests.problems import assert_problem, fields
from utils.errors import EngineTimeout, EngineUnavailable
from utils.octobot_bridge import OctoBotBridge

ORDER = {
    *("id", "client_order_id", "account", "mode", "exchange", "symbol", "side", "type", "status", "amount"),
    *("filled", "remaining", "price", "stop_price", "average", "cost", "fee", "time_in_force", "reduce_only"),
    *("reject_code", "created_at", "updated_at"),
}


@pytest.mark.parametrize("path", ["/api/trading/orders", "/api/orders"])
def test_an_order_is_created(place: Post, user: SignedIn, path: str) -> None:
    response = place(path)
    assert response.status_code == 201
    body = response.get_json()
    order = body["data"]
    assert body == {"success": True, "data": order}
    assert set(order) >= ORDER
    assert order["account"] == user.account_id
    assert (order["status"], order["mode"], order["exchange"]) == ("accepted", "paper", "demo")
    assert (order["amount"], order["filled"], order["remaining"], order["price"]) == ("0.1", "0", "0.1", "40000")
    assert order["created_at"].endswith("Z")
    assert response.headers["Location"] == f"/api/trading/orders/{order['id']}"


def test_a_market_order_fills_with_its_fee(place: Post) -> None:
    order = place(type="market", price=None).get_json()["data"]
    assert (order["status"], order["average"], order["cost"], order["price"]) == ("filled", "50000", "5000", None)
    assert order["fee"] == {"currency": "USDT", "cost": "7.5"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"amount": None, "quantity": "0.2"}, {"amount": "0.2"}),
        ({"amount": None, "qty": 0.2}, {"amount": "0.2"}),
        ({"price": None, "limit_price": 41000}, {"price": "41000"}),
        (
            {"side": "BUY", "type": "Limit", "symbol": "btc-usdt"},
            {"side": "buy", "type": "limit", "symbol": "BTC/USDT"},
        ),
        ({"type": None}, {"type": "limit", "price": "40000"}),
        ({"type": None, "price": None}, {"type": "market", "price": None, "status": "filled"}),
        ({"type": "MARKET", "price": "40000"}, {"type": "market", "price": None, "status": "filled"}),
        ({"type": "market", "price": 0}, {"type": "market", "price": None, "status": "filled"}),
        ({"type": "market", "price": None, "amount": None, "quote_amount": "100"}, {"amount": "0.00199"}),
        ({"time_in_force": "IOC"}, {"time_in_force": "ioc", "status": "expired"}),
        ({"amount": "1e-1"}, {"amount": "0.1"}),
        ({"client_order_id": "my.order:1_a-B"}, {"client_order_id": "my.order:1_a-B"}),
        ({"type": "stop", "price": None, "stop_price": "55000"}, {"stop_price": "55000", "status": "accepted"}),
        ({"type": "trailing_stop", "price": None, "trailing_percent": "5"}, {"trailing_percent": "5"}),
        ({"type": "take_profit_limit", "stop_price": "45000"}, {"type": "take_profit_limit", "price": "40000"}),
    ],
)
def test_names_and_forms_that_are_understood(place: Post, body: dict[str, Any], expected: dict[str, Any]) -> None:
    response = place(**body)
    assert response.status_code == 201, response.get_json()
    order = response.get_json()["data"]
    assert {name: order[name] for name in expected} == expected


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"amount": "0"}, "amount", "invalid_amount"),
    ({"amount": "-1"}, "amount", "invalid_amount"),
    ({"amount": "NaN"}, "amount", "invalid_number"),
    ({"amount": "Infinity"}, "amount", "invalid_number"),
    ({"amount": "1e400"}, "amount", "out_of_range"),
    ({"amount": "1_000"}, "amount", "invalid_number"),
    ({"amount": "\uff11"}, "amount", "invalid_number"),
    ({"amount": True}, "amount", "invalid_number"),
    ({"amount": [1]}, "amount", "invalid_number"),
    ({"amount": "0.100000000000000000000000000001"}, "amount", "invalid_precision"),
    ({"amount": "0.1234567890123456789012345678901"}, "amount", "too_precise"),
    ({"amount": "0.000001"}, "amount", "invalid_precision"),
    ({"amount": "0.00001"}, "amount", "below_min_cost"),
    ({"amount": "9001"}, "amount", "above_max_amount"),
    ({"amount": "1"}, "amount", "insufficient_funds"),
    ({"amount": None}, "amount", "required"),
    ({"quantity": "0.1"}, "quantity", "ambiguous"),
    ({"amount": None, "quote_amount": "100"}, "quote_amount", "not_applicable"),
    ({"type": "market", "quote_amount": "100"}, "quote_amount", "ambiguous"),
    ({"type": "market", "side": "sell", "amount": None, "quote_amount": "9"}, "quote_amount", "not_applicable"),
    ({"price": None}, "price", "required"),
    ({"price": "0"}, "price", "not_positive"),
    ({"price": "-5"}, "price", "not_positive"),
    ({"price": "40000.001"}, "price", "invalid_precision"),
    ({"price": "1000000"}, "price", "price_out_of_range"),
    ({"type": "stop_limit"}, "stop_price", "required"),
    ({"type": "stop_limit", "stop_price": "55000", "price": None}, "price", "required"),
    ({"type": "stop", "price": None, "stop_price": "45000"}, "stop_price", "stop_price_wrong_side"),
    ({"type": "stop", "stop_price": "55000"}, "price", "not_applicable"),
    ({"stop_price": "55000"}, "stop_price", "not_applicable"),
    ({"type": "trailing_stop", "price": None}, "trailing_percent", "required"),
    ({"type": "trailing_stop", "price": None, "trailing_percent": "0"}, "trailing_percent", "not_positive"),
    ({"type": "trailing_stop", "price": None, "trailing_percent": "50.1"}, "trailing_percent", "out_of_range"),
    ({"trailing_percent": "5"}, "trailing_percent", "not_applicable"),
    ({"reduce_only": True}, "reduce_only", "reduce_only_spot"),
    ({"reduce_only": "yes"}, "reduce_only", "invalid"),
    ({"side": "hold"}, "side", "invalid"),
    ({"side": None}, "side", "required"),
    ({"side": 1}, "side", "invalid"),
    ({"type": "iceberg"}, "type", "invalid"),
    ({"type": 7}, "type", "invalid"),
    ({"time_in_force": "gtd"}, "time_in_force", "invalid"),
    ({"symbol": None}, "symbol", "required"),
    ({"symbol": "BTC USDT"}, "symbol", "invalid_symbol"),
    ({"symbol": "x" * 100}, "symbol", "invalid_symbol"),
    ({"client_order_id": ""}, "client_order_id", "invalid"),
    ({"client_order_id": "a b"}, "client_order_id", "invalid"),
    ({"client_order_id": "a\n"}, "client_order_id", "invalid"),
    ({"client_order_id": "x" * 49}, "client_order_id", "invalid"),
    ({"oco": {}}, "oco.stop_price", "required"),
    ({"oco": "x"}, "oco", "invalid"),
    ({"type": "market", "oco": {"stop_price": "1"}}, "oco", "not_applicable"),
    ({"oco": {"stop_price": "45000"}}, "oco.stop_price", "stop_price_wrong_side"),
    ({"take_profit": {"price": "4000"}}, "take_profit.price", "price_out_of_range"),
    ({"take_profit": {"limit": "1"}}, "take_profit.limit", "unknown_field"),
    ({"take_profit": {"price": "39000"}}, "take_profit.price", "take_profit_wrong_side"),
    ({"stop_loss": {"price": "39000"}}, "stop_loss.stop_price", "stop_price_required"),
    ({"stop_loss": {"stop_price": "41000"}}, "stop_loss.stop_price", "stop_loss_wrong_side"),
    ({"stop_loss": "x"}, "stop_loss", "invalid"),
    ({"colour": "red"}, "colour", "unknown_field"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[1]} {case[2]} {str(case[0])[:40]}")
def test_what_is_refused_names_its_field_and_changes_nothing(
    place: Post, bridge: OctoBotBridge, user: SignedIn, case: tuple[dict[str, Any], str, str]
) -> None:
    body, field, code = case
    response = place(**body)
    problem = response.get_json()
    assert_problem(response, 422, problem["error_code"])
    assert (field, code) in fields(problem)
    assert bridge.open_orders(user.account_id) == []
    assert bridge.portfolio(user.account_id).currencies["USDT"].total == 10_000


def test_rules_of_the_market_are_the_error_code(place: Post) -> None:
    assert_problem(place(amount="1"), 422, "insufficient_funds")
    assert_problem(place(symbol="XXX/USDT"), 404, "unknown_symbol")
    place(client_order_id="mine")
    assert_problem(place(client_order_id="mine"), 409, "duplicate_client_order_id")


def test_all_faults_are_told_at_once(place: Post) -> None:
    problem = assert_problem(place(amount="x", side="hold", symbol="?"), 422, "validation_failed")
    assert {field for field, _ in fields(problem)} == {"amount", "side", "symbol"}


BODIES: list[tuple[bytes, str, int, str]] = [
    (b'{"symbol": ', "application/json", 400, "malformed_json"),
    (b"", "application/json", 400, "malformed_json"),
    (b'{"amount": NaN}', "application/json", 400, "malformed_json"),
    (b"[" * 100_000, "application/json", 400, "malformed_json"),
    (b'"\xff"', "application/json", 400, "malformed_json"),
    (b"symbol=BTC", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    (b"[]", "application/json", 422, "validation_failed"),
    (b"null", "application/json", 422, "validation_failed"),
    (b'"text"', "application/json", 422, "validation_failed"),
]


@pytest.mark.parametrize("case", BODIES, ids=lambda case: str(case[0][:20]))
def test_bodies_that_are_no_orders(client: FlaskClient, user: SignedIn, case: tuple[bytes, str, int, str]) -> None:
    body, content_type, status, code = case
    response = client.post("/api/orders", data=body, content_type=content_type, headers=user.headers)
    assert_problem(response, status, code)


# ------------------------------------------------------------------------------------------------ idempotency


def test_a_key_makes_placing_repeatable(place: Post, engine: FakeEngine, bridge: OctoBotBridge, user: SignedIn) -> None:
    key = {"Idempotency-Key": "a key, with spaces"}
    first = place(headers=key)
    assert place("/api/orders", headers=key).get_json() == first.get_json()
    assert len(bridge.open_orders(user.account_id)) == 1
    engine.set_price("BTC/USDT", Decimal(40_000))
    repeated = place(headers=key)
    assert (repeated.status_code, repeated.get_json()["data"]["status"]) == (201, "filled")
    assert_problem(place(headers=key, amount="0.11"), 422, "idempotency_key_reused")


def test_a_refusal_is_repeated_too(place: Post) -> None:
    key = {"Idempotency-Key": "k"}
    first = assert_problem(place(headers=key, amount="1"), 422, "insufficient_funds")
    again = assert_problem(place(headers=key, amount="1"), 422, "insufficient_funds")
    assert first["errors"] == again["errors"]


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\xe9", "a\tb"])
def test_a_bad_key_is_refused(place: Post, bridge: OctoBotBridge, user: SignedIn, key: str) -> None:
    problem = assert_problem(place(headers={"Idempotency-Key": key}), 422, "validation_failed")
    assert fields(problem) == {("Idempotency-Key", "invalid_idempotency_key")}
    assert bridge.open_orders(user.account_id) == []


# ------------------------------------------------------------------------------------------------ the engine away


def test_an_engine_that_is_away_is_told_with_when_to_try_again(place: Post, engine: FakeEngine) -> None:
    engine.fail_with(EngineUnavailable("The engine cannot be reached.", retry_after=2))
    response = place()
    assert_problem(response, 503, "engine_unavailable")
    assert response.headers["Retry-After"] == "2"


def test_an_unknown_outcome_says_what_to_do(place: Post, engine: FakeEngine) -> None:
    engine.fail_with(EngineTimeout("The engine did not answer in time; the outcome is unknown."))
    problem = assert_problem(place(), 504, "engine_timeout")
    for word in ("unknown", "Idempotency-Key", "client_order_id"):
        assert word in problem["detail"]


# ------------------------------------------------------------------------------------------------ preview


def test_a_preview_tells_and_changes_nothing(place: Post, bridge: OctoBotBridge, user: SignedIn) -> None:
    response = place("/api/trading/orders/preview", type="market", price=None)
    assert response.status_code == 200
    preview = response.get_json()["data"]
    assert (preview["ok"], preview["price"], preview["cost"], preview["fee"]["cost"]) == (True, "50000", "5000", "7.5")
    assert preview["balance_after"] == {"BTC": "0.1", "USDT": "4992.5"}
    assert bridge.portfolio(user.account_id).currencies["USDT"].total == 10_000


def test_a_preview_names_what_is_wrong(place: Post) -> None:
    preview = place("/api/orders/preview", amount="1").get_json()["data"]
    assert not preview["ok"]
    assert [check["code"] for check in preview["checks"] if not check["ok"]] == ["insufficient_funds"]
