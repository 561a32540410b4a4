"""A user with strategies, and a hand on the market."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

import models
from engine.strategies.runner import Runner
from models import Database
from tests import books
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.manual_market import ManualMarket
from utils.octobot_bridge import OctoBotBridge, UnixTransport

START = Decimal(50_000)
PATIENCE = 30.0
GRID = {"levels": 3, "spacing_percent": "1", "order_value": "500"}


class Owner:
    """Call the API as a user; move the price and wait for what comes of it."""

    def __init__(
        self, client: FlaskClient, user: SignedIn, host: EngineHost, market: ManualMarket, database: Database
    ) -> None:
        self.user = user
        self.host = host
        self.market = market
        self.database = database
        self.client = client

    def send(self, method: str, path: str, *, key: str | None = None, **body: Any) -> TestResponse:
        """Call a path below /api/strategies."""
        headers = {**self.user.headers, **({"Idempotency-Key": key} if key else {})}
        sent = body if method in {"POST", "PATCH"} and (body or not path.endswith(("init", "start", "stop"))) else None
        return self.client.open(f"/api/strategies/{path}", method=method, headers=headers, json=sent)

    def ok(self, method: str, path: str, **body: Any) -> Any:
        """Return the `data` of a successful answer."""
        answer = self.send(method, path, **body)
        assert answer.status_code in {200, 201}, answer.get_data(as_text=True)
        return answer.get_json()["data"]

    def add(self, name: str = "mine", **fields: Any) -> Any:
        """Add a grid, unless told otherwise."""
        wanted = {
            "strategy_class": "grid",
            "portfolio_name": "BTC/USDT",
            "settings": GRID,
            "funding": "5000",
            "name": name,
            **fields,
        }
        return self.ok("POST", "", **wanted)

    def running(self, name: str = "mine", **fields: Any) -> Any:
        """Add, fund and start a strategy."""
        self.add(name, **fields)
        self.ok("POST", f"{name}/init")
        return self.ok("POST", f"{name}/start")

    def get(self, name: str = "mine") -> Any:
        """Return a strategy."""
        return self.ok("GET", name)

    def orders(self, name: str = "mine", status: str = "all") -> list[Any]:
        """Return a strategy's orders, oldest first."""
        query = {"account": self.get(name)["account"], "status": status, "direction": "asc", "limit": "500"}
        answer = self.client.get("/api/trading/orders", query_string=query, headers=self.user.headers)
        found: list[Any] = answer.get_json()["data"]
        return found

    def open_names(self, name: str = "mine") -> list[str]:
        """Return the client order ids of the open orders, sorted."""
        return sorted(order["client_order_id"] for order in self.orders(name, "open"))

    def log(self, name: str = "mine") -> list[str]:
        """Return what a strategy's log says, the oldest first."""
        return [entry["message"] for entry in self.ok("GET", f"{name}/log?limit=100")][::-1]

    def story(self, name: str = "mine") -> str:
        """Tell what became of a strategy, for whoever wonders why something did not happen."""
        return f"{self.get(name)}\n{self.ok('GET', f'{name}/log')}\n{self.orders(name)}"

    def price(self, price: Decimal | int, symbol: str = "BTC/USDT") -> None:
        """Move the market."""
        self.market.set_price(symbol, Decimal(price))
        self.host.tick()

    def balance(self, account: str | None = None) -> dict[str, Decimal]:
        """Return the totals of an account, the main one for None, that are not zero."""
        query = {"account": account or self.user.account_id}
        answer = self.client.get("/api/portfolio/balance", query_string=query, headers=self.user.headers)
        found = answer.get_json()["data"]["currencies"]
        return {name: Decimal(each["total"]) for name, each in found.items() if Decimal(each["total"])}

    def is_calm(self) -> bool:
        """Tell whether no strategy has anything to decide."""
        runners = list(self.host.engine.strategies._runners.values())
        return all(runner._calm.is_set() and not runner._failures for runner in runners if isinstance(runner, Runner))

    def events(self, account: str | None = None) -> list[str]:
        """Return the types of the user's events, or of one account's, oldest first."""
        event = models.Event
        mine = event.user_id == self.user.id if account is None else event.account_id == account
        with self.database.read() as connection:
            query = select(event.type).where(mine).order_by(event.id)
            return list(connection.execute(query).scalars())

    def differences(self) -> list[str]:
        """Hold the books against themselves and OctoBot."""
        bridge = OctoBotBridge(UnixTransport(self.host.settings.engine_socket), timeout=30)
        return books.differences(self.database, bridge)


def eventually[Found](
    condition: Callable[[], Found], what: str | Callable[[], object] = "", patience: float = PATIENCE
) -> Found:
    """Return the first truthy value of `condition`, or tell `what` did not happen: strategies act on their own time."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, (what() if callable(what) else what) or "it did not happen"
        time.sleep(0.02)
