"""The client that validates answers must be able to say no."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from middleware.permissions import PUBLIC
from tests.openapi_client import Undocumented, ValidatingClient
from utils import json

GOOD = {"success": True, "data": {"status": "live"}}
ACCOUNT = {
    **{"id": "1", "name": "Paper", "mode": "paper", "exchange": "demo", "type": "spot", "status": "active"},
    **{
        "reference_currency": "USDT",
        "kind": "main",
        "credential": None,
        "starting_balance": "1",
        "deposited": "1",
        "reset_at": None,
        "created_at": "2026-11-20T12:00:00Z",
    },
}
PAGE = {"limit": 50, "has_more": False, "next_cursor": None}

Answer = Callable[..., None]


@pytest.fixture
def answer(app: Flask) -> Answer:
    """Make a route answer something else, without a word in the document."""
    assert app.test_client().get("/health/live").status_code == 200  # from here on the document is known

    def replace(
        endpoint: str, body: Any, status: int = 200, mimetype: str = "application/json", **headers: str
    ) -> None:
        # what is in a test's module is the test's own, and not validated
        def view(**_: Any) -> Response:
            return Response(json.dumps(body), status, mimetype=mimetype, headers=headers)

        view.__module__ = "api.planted"
        view.permission = PUBLIC  # type: ignore[attr-defined]
        app.view_functions[endpoint] = view

    return replace


def test_the_suite_uses_it(client: FlaskClient, app: Flask) -> None:
    assert type(client) is ValidatingClient
    assert type(app.test_client()) is ValidatingClient


def test_what_is_documented_passes(client: FlaskClient, answer: Answer) -> None:
    answer("health.check_liveness", GOOD)
    assert client.get("/health/live").json == GOOD


@pytest.mark.parametrize(
    ("planted", "complaint"),
    [
        ((GOOD, 418), "answered 418: the document has 200, 500 there"),
        ((GOOD, 200, "text/html"), "it is text/html, not application/json"),
        (({"data": {"status": "live"}},), "'success' is a required property"),
        (({"success": False, "data": {"status": "live"}},), "success: False is not one of"),
        (({"success": True, "data": {}},), "data: 'status' is a required property"),
        (({"success": True, "data": {"status": 1}},), "data/status: 1 is not of type"),
        (({"success": True, "data": {"status": "live", "password_hash": "x"}},), "'password_hash' was unexpected"),
        ((None,), "None is not of type 'object'"),
        (({"error": "raw"}, 500, "application/problem+json"), "is a required property"),
        (({"error": "raw"}, 500), "it is application/json, not application/problem"),
    ],
)
def test_what_is_not_fails(client: FlaskClient, answer: Answer, planted: tuple[Any, ...], complaint: str) -> None:
    answer("health.check_liveness", *planted)
    with pytest.raises(Undocumented, match=complaint):
        client.get("/health/live")


@pytest.mark.parametrize(
    "changes",
    [
        {"created_at": "2026-11-20T12:00:00+00:00"},
        {"created_at": "2026-11-20"},
        {"mode": "demo"},
        {"secret": "x"},
        {"name": None},
    ],
)
def test_items_of_pages_are_looked_at(client: FlaskClient, answer: Answer, changes: dict[str, Any]) -> None:
    answer("accounts.list_accounts", {"success": True, "data": [ACCOUNT], "pagination": PAGE})
    assert client.get("/api/accounts").status_code == 200
    answer("accounts.list_accounts", {"success": True, "data": [ACCOUNT, {**ACCOUNT, **changes}], "pagination": PAGE})
    with pytest.raises(Undocumented, match="data/1"):
        client.get("/api/accounts")


@pytest.mark.parametrize("number", ["1e3", "NaN", 1.5, ""])
def test_numbers_are_looked_at(client: FlaskClient, answer: Answer, number: Any) -> None:
    holding = {"free": number, "locked": "0", "total": "0", "value": None}
    balance = {"account": "1", "mode": "paper", "currencies": {"USDT": holding}, "reference_currency": "USDT"}
    answer("portfolio.get_balance", {"success": True, "data": {**balance, "total_value": "0"}})
    with pytest.raises(Undocumented, match="data/currencies/USDT/free"):
        client.get("/api/portfolio/balance")


def test_headers_that_nobody_documented_fail(client: FlaskClient, answer: Answer) -> None:
    answer("health.check_liveness", GOOD, Location="/elsewhere")
    with pytest.raises(Undocumented, match="its header Location is not documented"):
        client.get("/health/live")


def test_routes_that_nobody_documented_fail(client: FlaskClient, app: Flask) -> None:
    def view() -> str:
        return "hidden"

    view.__module__ = "api.planted"
    app.add_url_rule("/hidden", view_func=view)
    view.permission = PUBLIC  # type: ignore[attr-defined]
    with pytest.raises(Undocumented, match="the document has no GET /hidden"):
        client.get("/hidden")


def test_redirects_on_the_way_are_looked_at(client: FlaskClient, answer: Answer) -> None:
    answer("documentation.show_documentation", GOOD)
    with pytest.raises(Undocumented, match="GET /docs answered 200: it is application/json"):
        client.get("/", follow_redirects=True)


def test_a_problem_of_no_route_is_looked_at(client: FlaskClient) -> None:
    assert client.get("/nowhere").status_code == 404
    assert client.put("/health/live").status_code == 405
    assert client.head("/health/live").status_code == 200
