"""The owner of a live account, who lets a strategy trade on it over HTTP."""

from __future__ import annotations

from collections import Counter
from typing import Any

from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

import models
from models import Database
from services.audit import SYSTEM
from services.principals import Principal
from services.users.api_keys import NewApiKey
from services.users.passwords import Passwords
from tests.factories import PASSWORD, services_of
from utils.wire import FINAL_STATUSES

GRID = {"levels": 3, "spacing_percent": "1", "order_value": "500"}
LINES = [f"{side}{number}" for side in ("down", "up") for number in (1, 2, 3)]


class Strategist:
    """Call the API with a key of the user who owns a live account, and see what became of the strategy's orders."""

    def __init__(self, app: Flask, database: Database, user: str, account: str) -> None:
        self.account = account
        self._database = database
        self._client = app.test_client()
        with database.write() as session:
            session.execute(update(models.Account).where(models.Account.id == account).values(kind="extra"))
            known = Passwords(processes=1).hash(PASSWORD)
            session.execute(update(models.User).where(models.User.id == user).values(password_hash=known))
        owner = Principal(user_id=user, username=user, role="user", session_id="none")
        new = NewApiKey(name="key", scopes=["trade"], password=PASSWORD)
        made = services_of(app).api_keys.create(owner, SYSTEM, new)
        self._headers = {"X-API-Key": made.key}

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> TestResponse:
        """Call a path below /api."""
        return self._client.open(f"/api/{path}", method=method, headers=self._headers, json=body)

    def ok(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return the `data` of a successful answer."""
        answer = self.send(method, path, body)
        assert answer.status_code in {200, 201}, answer.get_data(as_text=True)
        return answer.get_json()["data"]

    def wish(self, **fields: Any) -> dict[str, Any]:
        """Return a grid to be added, unless told otherwise."""
        wanted = {"strategy_class": "grid", "portfolio_name": "BTC/USDT", "settings": GRID, "name": "grid"}
        return {**wanted, "account": self.account, **fields}

    def add(self, **fields: Any) -> Any:
        """Add it."""
        return self.ok("POST", "strategies/", self.wish(**fields))

    def running(self, **fields: Any) -> Any:
        """Add and start it."""
        self.add(**fields)
        self.ok("POST", "strategies/grid/init")
        return self.ok("POST", "strategies/grid/start")

    def state(self) -> Any:
        """Return its state, and why when it has failed."""
        told = self.ok("GET", "strategies/grid")
        return told["state"] if told["error_code"] is None else (told["state"], told["error_code"])

    def orders(self) -> list[Any]:
        """Return the rows of the account's orders, as they were made."""
        order = models.Order
        with self._database.read() as connection:
            query = select(order.__table__).where(order.account_id == self.account).order_by(order.id)
            return list(connection.execute(query))

    def of(self, level: str) -> list[Any]:
        """Return the orders of a level, oldest first; those that were never sent have given their names back."""
        return [row for row in self.orders() if _level(row) == level]

    def levels(self) -> Counter[str | None]:
        """Count the open orders of each level."""
        return Counter(_level(row) for row in self.orders() if row.status not in FINAL_STATUSES)

    def is_laid(self) -> bool:
        """Tell whether each line of the grid has one order, which is at the exchange for certain."""
        rows = [row for row in self.orders() if row.status not in FINAL_STATUSES]  # at one moment
        return Counter(map(_level, rows)) == Counter(LINES) and {row.status for row in rows} == {"accepted"}


def _level(row: Any) -> str | None:
    return row.client_order_id.split(":")[1] if ":" in row.client_order_id else None
