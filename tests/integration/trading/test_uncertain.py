"""What a client is told while nobody knows what an exchange has made of an order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from api.examples import EXAMPLES
from tests.factories import SignedIn
from utils import wire
from utils.octobot_bridge import OctoBotBridge

PATH = "/api/trading/orders"


def _order(status: str) -> wire.Order:
    example: dict[str, Any] = next(iter(EXAMPLES["Order"].values()))
    return msgspec.convert({**example, "status": status, "mode": "live"}, wire.Order, strict=False)


@pytest.mark.parametrize(
    ("status", "code"), [("accepted", 201), ("filled", 201), ("unknown", 202), ("pending_new", 202)]
)
def test_placing_answers_202_with_the_place_to_look(
    client: FlaskClient, user: SignedIn, monkeypatch: pytest.MonkeyPatch, status: str, code: int
) -> None:
    order = _order(status)
    monkeypatch.setattr(OctoBotBridge, "place_order", lambda _self, _command: order)
    ticket = {"symbol": "BTC/USDT", "side": "buy", "amount": "0.01", "price": "40000"}
    answer = client.post(PATH, json=ticket, headers=user.headers)
    assert (answer.status_code, answer.get_json()["data"]["status"]) == (code, status)
    assert answer.headers["Location"].endswith(f"{PATH}/{order.id}")
