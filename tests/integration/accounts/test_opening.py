"""Accounts are opened over HTTP, on paper and live, in front of the real engine."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

import models
from config import Settings
from models import Database
from tests.books import rows
from tests.factories import SignedIn, audit_rows
from tests.integration.accounts.opened import ORDER, Send, add_credential, opened, portfolio
from tests.problems import assert_problem, fields


def test_opening_a_paper_account(client: FlaskClient, send: Send, user: SignedIn, database: Database) -> None:
    answer = send(name="  Playground ", starting_balance="2500.50")
    account = answer.get_json()["data"]
    assert answer.headers["Location"] == f"/api/accounts/{account['id']}"
    assert {name: account[name] for name in ("name", "mode", "exchange", "type", "kind", "status")} == {
        "name": "Playground",
        "mode": "paper",
        "exchange": "demo",
        "type": "spot",
        "kind": "extra",
        "status": "active",
    }
    assert (account["starting_balance"], account["deposited"], account["credential"]) == ("2500.5", None, None)
    assert send(f"/{account['id']}", "GET").get_json()["data"] == account
    found = portfolio(client, user, account["id"])
    assert (found["total_value"], found["profit"]["amount"]) == ("2500.5", "0")
    assert send(f"/{account['id']}", "GET").get_json()["data"]["deposited"] == "2500.5"
    order = client.post("/api/orders", json={**ORDER, "account": account["id"]}, headers=user.headers)
    assert (order.status_code, order.get_json()["data"]["account"]) == (201, account["id"])
    assert ("account.opened", "done", None) in audit_rows(database)
    assert opened(send)["starting_balance"] == "10000"


def test_a_repeated_opening_opens_one(send: Send, database: Database) -> None:
    first = send(name="One", key="k")
    again = send(name="One", key="k")
    assert (again.status_code, again.get_json(), again.headers["Location"]) == (
        201,
        first.get_json(),
        first.headers["Location"],
    )
    assert_problem(send(name="Two", key="k"), 422, "idempotency_key_reused")
    assert len(rows(database, models.Account)) == 2


def test_accounts_are_bounded(send: Send, user: SignedIn, other: SignedIn, database: Database) -> None:
    mine = [opened(send) for _ in range(3)]
    for _ in range(2):
        assert_problem(send(name="More", key="full"), 409, "too_many_accounts")
    assert send(name="Theirs", caller=other).status_code == 201
    assert send(f"/{mine[0]['id']}", "DELETE").status_code == 200
    assert opened(send)["status"] == "active"
    assert_problem(send(name="More", key="full"), 409, "too_many_accounts")  # the key has its outcome


def test_many_openings_at_once_stay_in_bounds(app: Flask, user: SignedIn, database: Database) -> None:
    together = threading.Barrier(8)

    def post(_number: int) -> int:
        client = app.test_client()
        together.wait()
        return client.post("/api/accounts", json={"name": "x"}, headers=user.headers).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(post, range(8)))
    assert statuses == [201] * 3 + [409] * 5
    assert len(rows(database, models.Account)) == 4


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"name": None}, ("name", "required")),
        ({"name": "  "}, ("name", "invalid_name")),
        ({"name": "x" * 65}, ("name", "invalid_name")),
        ({"name": "a\nb"}, ("name", "invalid_name")),
        ({"mode": "demo"}, ("mode", "invalid")),
        ({"type": "margin"}, ("type", "invalid")),
        ({"starting_balance": "0"}, ("starting_balance", "not_positive")),
        ({"starting_balance": "-1"}, ("starting_balance", "not_positive")),
        ({"starting_balance": "1000000000001"}, ("starting_balance", "out_of_range")),
        ({"starting_balance": "1.0000000000000000001"}, ("starting_balance", "too_precise")),
        ({"starting_balance": "NaN"}, ("starting_balance", "invalid_number")),
        ({"credential": "x"}, ("credential", "not_applicable")),
        ({"mode": "live"}, ("credential", "required")),
        ({"mode": "live", "credential": "x", "starting_balance": "1"}, ("starting_balance", "not_applicable")),
        ({"reference_currency": "no money"}, ("reference_currency", "invalid_currency")),
        ({"kind": "main"}, ("kind", "unknown_field")),
        ({"deposited": "0"}, ("deposited", "unknown_field")),
    ],
)
def test_bad_openings_are_named_and_open_nothing(
    send: Send, database: Database, body: dict[str, Any], fault: tuple[str, str]
) -> None:
    problem = assert_problem(send(**{"name": "x", **body}), 422, "validation_failed")
    assert fault in fields(problem)
    assert len(rows(database, models.Account)) == 1


def test_the_market_has_to_be_there(send: Send, database: Database) -> None:
    assert_problem(send(name="x", exchange="kraken"), 404, "unknown_exchange")
    assert_problem(send(name="x", reference_currency="EUR"), 422, "unknown_currency")
    assert len(rows(database, models.Account)) == 1


# --------------------------------------------------------------------------------------------------- live


def test_live_needs_the_operators_consent(send: Send, user: SignedIn, database: Database) -> None:
    credential = add_credential(database, user)
    assert_problem(send(name="x", mode="live", credential=credential), 403, "live_trading_disabled")
    assert len(rows(database, models.Account)) == 1


class TestLive:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, live_trading_enabled=True)

    def test_an_account_takes_verified_keys(
        self, send: Send, user: SignedIn, database: Database, client: FlaskClient
    ) -> None:
        credential = add_credential(database, user)
        account = opened(send, mode="live", credential=credential)
        assert (account["mode"], account["credential"], account["starting_balance"]) == ("live", credential, "0")
        assert_problem(send(name="x", mode="live", credential=credential), 409, "credential_in_use")
        refused = client.delete(f"/api/credentials/{credential}", headers=user.headers)
        assert_problem(refused, 409, "credential_in_use")
        with database.write() as session:
            session.execute(update(models.Account).where(models.Account.id == account["id"]).values(status="archived"))
        assert opened(send, mode="live", credential=credential)["status"] == "active"

    @pytest.mark.parametrize(
        ("values", "status", "code"),
        [
            ({"status": "unverified"}, 409, "credential_not_verified"),
            ({"status": "failed"}, 409, "credential_not_verified"),
            ({"permissions": '["read"]'}, 409, "credential_cannot_trade"),
            ({"permissions": None}, 409, "credential_cannot_trade"),
            ({"exchange": "kraken"}, 422, "credential_exchange_mismatch"),
        ],
    )
    def test_other_keys_are_refused(
        self, send: Send, user: SignedIn, database: Database, values: dict[str, Any], status: int, code: str
    ) -> None:
        credential = add_credential(database, user, **values)
        assert_problem(send(name="x", mode="live", credential=credential), status, code)
        assert len(rows(database, models.Account)) == 1

    def test_keys_of_others_do_not_exist(self, send: Send, other: SignedIn, database: Database) -> None:
        credential = add_credential(database, other)
        assert_problem(send(name="x", mode="live", credential=credential), 404, "credential_not_found")

    def test_one_account_wins_the_keys(self, app: Flask, user: SignedIn, database: Database) -> None:
        body = {"name": "x", "mode": "live", "credential": add_credential(database, user)}
        together = threading.Barrier(3)

        def post(_number: int) -> int:
            client = app.test_client()
            together.wait()
            return client.post("/api/accounts", json=body, headers=user.headers).status_code

        with ThreadPoolExecutor(3) as pool:
            assert sorted(pool.map(post, range(3))) == [201, 409, 409]
