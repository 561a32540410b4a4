"""Open accounts, and look at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import insert
from werkzeug.test import TestResponse

import models
from models import Database
from tests.factories import SignedIn
from utils import clock, ids

ORDER = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "amount": "0.01", "price": "40000"}
Send = Callable[..., TestResponse]


def opened(send: Send, **body: Any) -> dict[str, Any]:
    answer = send(**{"name": "Extra", **body})
    assert answer.status_code == 201, answer.get_json()
    found: dict[str, Any] = answer.get_json()["data"]
    return found


def portfolio(client: FlaskClient, user: SignedIn, account: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/portfolio?account={account}", headers=user.headers).get_json()["data"]
    return found


def add_credential(database: Database, owner: SignedIn, **values: Any) -> str:
    moment, made = clock.now(), ids.new_id()
    row = {
        "id": made,
        "user_id": owner.id,
        "name": made,
        "exchange": "demo",
        "key_hint": "abcd",
        "sealed": b"x",
        "key_id": "k",
        "permissions": '["read","trade"]',
        "status": "verified",
        "created_at": moment,
        "updated_at": moment,
        **values,
    }
    with database.write() as session:
        session.execute(insert(models.Credential).values(**row))
    return made
