"""Idempotency keys over the whole API: every route that creates or trades takes one, and keeps to it under load.

`IDEMPOTENCY_KEYS=200 IDEMPOTENCY_POSTS=50` makes the storm as large as it is meant to hold.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

import models
from api import openapi
from models import Database
from services.idempotency import Idempotency
from tests.books import differences, rows
from tests.contract.exchange import SYMBOL
from tests.factories import SignedIn
from tests.openapi_client import operations
from tests.problems import assert_problem, fields
from utils import clock
from utils.octobot_bridge import OctoBotBridge

pytestmark = pytest.mark.usefixtures("steady")
KEYS = int(os.environ.get("IDEMPOTENCY_KEYS", "40"))
POSTS = int(os.environ.get("IDEMPOTENCY_POSTS", "10"))
KEYLESS = {
    "sign_up": "a second one is refused, the name is taken",
    "log_in": "its answer holds a secret",
    "refresh_tokens": "its answer holds a secret",
    "log_out": "a second one changes nothing",
    "preview_order": "it changes nothing",
    "verify_credential": "it asks the exchange and may be repeated",
    "log_out_everywhere": "a second one changes nothing",
    "change_password": "its answer holds a secret, and a second one is refused",
    "change_email": "a second one changes nothing",
    "issue_stream_ticket": "its answer holds a secret",
    "create_api_key": "its answer holds a secret",
    "enroll_second_factor": "its answer holds a secret",
    "confirm_second_factor": "its answer holds a secret",
    "disable_second_factor": "a second one is refused",
    "delete_me": "a second one is refused",
    "delete_user": "a second one is refused",
    "make_signal_key": "its answer holds a secret",
    "receive_alert": "the alert's own id makes it count once",
    "create_webhook": "its answer holds a secret",
    "test_webhook": "a second one is refused while the first waits",
    "read_notifications": "a second one changes nothing",
    "send_email_code": "a second one is refused within a minute",
    "confirm_email": "a second one changes nothing",
    "test_email": "a second one is refused while the first waits",
    "open_tournament": "a second one is refused",
    "start_tournament": "a second one is refused",
    "end_tournament": "a second one is refused",
    "cancel_tournament": "a second one is refused",
    "leave_tournament": "a second one is refused",
    "leave_team": "a second one is refused",
    "connect_exchange": "a second one changes nothing",
    "disconnect_exchange": "a second one is refused",
    "start_bot": "a second one changes nothing",
    "stop_bot": "a second one changes nothing",
    "restart_bot": "a second one restarts it a second time, which loses nothing",
    "pause_bot": "a second one changes nothing",
    "resume_bot": "a second one changes nothing",
    "test_bot_notifiers": "a second one says once more that it is a test",
    "roll_config_back": "a second one changes nothing",
    "select_profile": "a second one changes nothing",
}
"""POSTs without a key, and why they need none. A route that joins this list deserves a second look."""
BODIES: dict[str, dict[str, Any]] = {
    "place_order": {"symbol": SYMBOL, "side": "buy", "amount": "0.001"},
    "place_orders": {"orders": [{"symbol": SYMBOL, "side": "buy", "amount": "0.001"}]},
    "engage_kill_switch": {"scope": "account"},
}


@pytest.fixture
def bridge(engine_bridge: OctoBotBridge) -> OctoBotBridge:
    return engine_bridge


def posts(app: Flask) -> dict[str, tuple[str, set[str]]]:
    """Return path and header parameters of every POST that is no alias, by its name."""
    found = {}
    for path, method, operation in operations(openapi.document(app)):
        headers = {one["name"] for one in operation.get("parameters", []) if one["in"] == "header"}
        if method == "post":
            name = operation["operationId"]
            found[name] = (path, headers)
    return found


def test_every_post_that_creates_or_trades_takes_a_key(app: Flask) -> None:
    found = posts(app)
    keyed = {name for name, (_, headers) in found.items() if "Idempotency-Key" in headers}
    aliases = {name for name in found if "_alias" in name}
    assert {name for name in found if name not in keyed} - aliases == set(KEYLESS)
    assert {name for name in aliases if name not in keyed} == {"preview_order_alias1"}
    assert {"place_order", "place_orders", "engage_kill_switch"} <= keyed


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\xe9", "a\tb"])
@pytest.mark.parametrize("name", sorted(BODIES))
def test_a_bad_key_is_refused_and_changes_nothing(
    app: Flask, client: FlaskClient, user: SignedIn, database: Database, name: str, key: str
) -> None:
    path, _ = posts(app)[name]
    response = client.post(path, json=BODIES[name], headers={**user.headers, "Idempotency-Key": key})
    assert fields(assert_problem(response, 422, "validation_failed")) == {
        ("Idempotency-Key", "invalid_idempotency_key")
    }
    assert rows(database, models.Order) == rows(database, models.KillSwitch) == []


def test_a_key_of_full_length_and_every_character_works(client: FlaskClient, user: SignedIn) -> None:
    key = "".join(chr(code) for code in range(0x21, 0x7F)) + "~" * 161
    headers = {**user.headers, "Idempotency-Key": key}
    for path, name in (("/api/trading/orders/batch", "place_orders"),):
        first = client.post(path, json=BODIES[name], headers=headers)
        assert first.status_code == 207
        assert client.post(path, json=BODIES[name], headers=headers).get_json() == first.get_json()


@pytest.mark.once
def test_a_storm_of_posts_makes_one_order_per_key(
    app: Flask, user: SignedIn, other: SignedIn, database: Database, engine_bridge: OctoBotBridge
) -> None:
    sent = [(who, number) for who in (user, other) for number in range(KEYS // 2) for _ in range(POSTS)]
    random.Random(7).shuffle(sent)

    def send(post: tuple[SignedIn, int]) -> tuple[str, int, str]:
        who, number = post
        body = {"symbol": SYMBOL, "side": "buy", "type": "limit", "amount": "0.001", "price": str(40_000 + number)}
        # both users send the same keys
        headers = {**who.headers, "Idempotency-Key": f"key {number}"}
        response = app.test_client().post("/api/trading/orders", json=body, headers=headers)
        assert response.status_code == 201, response.get_json()
        return who.id, number, response.get_json()["data"]["id"]

    made: dict[tuple[str, int], set[str]] = defaultdict(set)
    with ThreadPoolExecutor(50) as pool:
        for user_id, number, order_id in pool.map(send, sent):
            made[user_id, number].add(order_id)
    assert len(made) == KEYS // 2 * 2
    assert all(len(ids) == 1 for ids in made.values())
    assert {row.id for row in rows(database, models.Order)} == set.union(*made.values())
    assert len(rows(database, models.Order)) == KEYS // 2 * 2
    changed = {"symbol": SYMBOL, "side": "buy", "type": "limit", "amount": "0.002", "price": "40000"}
    client = app.test_client()
    for who in (user, other):
        response = client.post("/api/orders", json=changed, headers={**who.headers, "Idempotency-Key": "key 0"})
        assert_problem(response, 422, "idempotency_key_reused")
    assert differences(database, engine_bridge) == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/trading/orders", BODIES["place_order"], 201),
        ("/api/trading/orders", {**BODIES["place_order"], "amount": "1000"}, 422),
        ("/api/trading/orders/batch", BODIES["place_orders"], 207),
        ("/api/trading/kill-switch", {"scope": "account"}, 200),
        ("/api/accounts", {"name": "Second"}, 201),
        ("/api/accounts", {"name": "Second", "exchange": "elsewhere"}, 404),
        ("/api/alerts", {"symbol": SYMBOL, "condition": "above", "value": "90000"}, 201),
    ],
)
def test_an_answer_says_that_its_key_had_come_before(
    client: FlaskClient, user: SignedIn, path: str, body: dict[str, Any], status: int
) -> None:
    headers = {**user.headers, "Idempotency-Key": "k"}
    first, again = (client.post(path, json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (status, status), first.get_json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    # one thread answered them all, and must not remember it
    reused = client.post(path, json={**body, "unknown": 1}, headers=headers)
    fresh = client.post("/api/orders", json=BODIES["place_order"], headers={**headers, "Idempotency-Key": "fresh"})
    keyless = client.get("/api/orders", headers=user.headers)
    other = {"symbol": SYMBOL, "side": "sell", "amount": "0.002"}
    taken = client.post("/api/orders", json=other, headers=headers)
    assert_problem(taken, 422, "idempotency_key_reused")
    for response in (reused, fresh, keyless, taken):
        assert "Idempotent-Replayed" not in response.headers


def test_keys_are_forgotten_after_seven_days(client: FlaskClient, user: SignedIn, database: Database) -> None:
    def forget(now: datetime) -> None:
        clock.go_by(lambda: now)
        try:
            Idempotency(database).forget()
        finally:
            clock.go_by(None)

    headers = {**user.headers, "Idempotency-Key": "k"}
    first = client.post("/api/trading/orders", json=BODIES["place_order"], headers=headers).get_json()["data"]
    now = clock.now()
    forget(now + timedelta(days=6, hours=23))
    again = client.post("/api/trading/orders", json=BODIES["place_order"], headers=headers).get_json()["data"]
    assert again["id"] == first["id"]
    forget(now + timedelta(days=7, minutes=1))
    assert rows(database, models.IdempotencyKey) == []
    later = client.post("/api/trading/orders", json=BODIES["place_order"], headers=headers).get_json()["data"]
    assert later["id"] != first["id"]
