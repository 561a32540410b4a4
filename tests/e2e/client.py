"""A user of a running server."""

from __future__ import annotations

import itertools
from typing import Any

import httpx

PASSWORD = "correct-horse-7-staple"
_numbers = itertools.count(1)


class Client:
    """Sign up and talk JSON; every answer's `data` is returned, anything but 2xx raises."""

    def __init__(self, address: str) -> None:
        self.name = f"trader{next(_numbers)}"
        self.http = httpx.Client(base_url=address, timeout=60)

    def sign_up(self) -> Client:
        """Create the user and sign in."""
        account = {"username": self.name, "email": f"{self.name}@example.com", "password": PASSWORD}
        self.call("POST", "/api/auth/signup", json=account)
        return self.log_in()

    def log_in(self) -> Client:
        """Sign in."""
        tokens = self.call("POST", "/api/auth/login", json={"username": self.name, "password": PASSWORD})
        self.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        return self

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Return the `data` of a successful answer."""
        answer = self.http.request(method, path, **options)
        assert answer.is_success, (answer.status_code, answer.text)
        return answer.json()["data"]

    def order(self, *, key: str | None = None, **fields: Any) -> Any:
        """Place an order."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.call("POST", "/api/trading/orders", json={"symbol": "BTC/USDT", **fields}, headers=headers)

    def balances(self) -> dict[str, dict[str, str]]:
        """Return free, locked and total of each currency."""
        held = self.call("GET", "/api/portfolio/balance")["currencies"]
        return {currency: {part: row[part] for part in ("free", "locked", "total")} for currency, row in held.items()}

    def open_ids(self) -> set[str]:
        """Return the ids of the open orders."""
        return {order["id"] for order in self.call("GET", "/api/trading/orders", params={"status": "open"})}
