"""Clients that repeat every placement under its key until it is answered, and write down what they were told."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any

import httpx

from tests.e2e.client import PASSWORD

PATIENCE_SECONDS = 120
PAUSES = (0.05, 0.1, 0.2, 0.4)
"""Seconds before each repetition; the last goes for all further ones."""
TIMEOUT_SECONDS = 15
IMPATIENCE_SECONDS = (0.001, 0.02)
AGAIN = {401, 429, 500, 502, 503, 504}
"""Answers after which the same request is sent again; so is any that says when (`Retry-After`)."""


@dataclass
class Placement:
    """One order that a client wants: its key, what was sent, and what came of it. None: never answered."""

    key: str
    body: dict[str, Any]
    status: int | None = None
    order_id: str | None = None
    code: str | None = None


@dataclass
class Trader:
    """One user with one account."""

    name: str
    address: Callable[[], str]
    """Where the server is now; it moves when everything was killed."""
    tickets: Callable[[random.Random], dict[str, Any]]
    """What it trades."""
    seed: int
    pause: float = 0.2
    """Seconds between two orders at most: those who trade live wait for their exchange, and the others for them."""
    impatient: float = 0.1
    """How likely it gives up on an answer before it can have come."""
    account: str | None = None
    placements: list[Placement] = field(default_factory=list)
    repeats: int = 0
    user: str = ""
    token: str = ""
    _http: httpx.Client | None = None

    def __post_init__(self) -> None:
        self._chance = random.Random(f"{self.seed} {self.name}")

    def sign_up(self) -> Trader:
        """Create the user."""
        account = {"username": self.name, "email": f"{self.name}@example.com", "password": PASSWORD}
        self.user = self.call("POST", "/api/auth/signup", json=account)["id"]
        self.log_in()
        return self

    def log_in(self) -> None:
        """Sign in, again when the token has expired."""
        answer = self._send("POST", "/api/auth/login", json={"username": self.name, "password": PASSWORD})
        if answer is not None and answer.is_success:
            self.token = answer.json()["data"]["access_token"]

    def open_futures_account(self) -> None:
        """Trade perpetuals, in an account for them."""
        account = {"name": "futures", "mode": "paper", "type": "futures"}
        self.account = self.call("POST", "/api/accounts", json=account)["id"]
        self.tickets = futures_ticket

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Return the `data` of a successful answer, asking again while something has to get ready."""
        end = time.monotonic() + PATIENCE_SECONDS
        answer = self._send(method, path, **options)
        while answer is not None and answer.status_code == 503 and time.monotonic() < end:
            time.sleep(1)
            answer = self._send(method, path, **options)
        assert answer is not None, f"no answer to {method} {path}"
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def trade(self) -> None:
        """Place one order, and now and then cancel one."""
        chance, number = self._chance, len(self.placements)
        body = self.tickets(chance)
        if self.account is not None:
            body["account"] = self.account
        key = f"{self.name}-{number}"
        if chance.random() < 0.5:
            # without one, nothing but the key keeps a repetition from being a second order
            body["client_order_id"] = key
        placement = Placement(key, body)
        self.placements.append(placement)
        self._place(placement, chance)
        if chance.random() < 0.15:
            self._cancel(chance.choice(self.placements))
        time.sleep(chance.uniform(0, self.pause))

    def _place(self, placement: Placement, chance: random.Random) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        pauses = chain(PAUSES, repeat(PAUSES[-1]))
        while time.monotonic() < end:
            answer = self._send(
                "POST",
                "/api/trading/orders",
                json=placement.body,
                headers={"Idempotency-Key": placement.key},
                # a phone in a tunnel: the order arrives, its answer does not
                timeout=chance.uniform(*IMPATIENCE_SECONDS) if chance.random() < self.impatient else TIMEOUT_SECONDS,
            )
            if answer is None or answer.status_code in AGAIN or "Retry-After" in answer.headers:
                self.repeats += 1
                if answer is not None and answer.status_code == 401:
                    self.log_in()
                time.sleep(next(pauses))
                continue
            placement.status = answer.status_code
            if answer.is_success:
                placement.order_id = answer.json()["data"]["id"]
            else:
                placement.code = answer.json()["error_code"]
            return

    def _cancel(self, placement: Placement) -> None:
        if placement.order_id is not None:
            self._send("DELETE", f"/api/trading/orders/{placement.order_id}")

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        try:
            if self._http is None:
                self._http = httpx.Client(base_url=self.address(), timeout=TIMEOUT_SECONDS)
            if self.token:
                self._http.headers["Authorization"] = f"Bearer {self.token}"
            return self._http.request(method, path, **options)
        except httpx.TransportError:
            if self._http is not None:
                self._http.close()
            self._http = None
            return None


def paper_ticket(chance: random.Random) -> dict[str, Any]:
    """Return an order on the demo exchange: some fill at once, some rest, some wait for a trigger, some are refused."""
    return dict(
        chance.choice(
            [
                {"symbol": "XRP/USDT", "side": "buy", "quote_amount": "20"},
                {"symbol": "XRP/USDT", "side": "buy", "amount": "10", "price": "0.8"},
                {"symbol": "XRP/USDT", "side": "sell", "amount": "10"},
                {
                    "symbol": "XRP/USDT",
                    "side": "sell",
                    "amount": "12",
                    "type": "trailing_stop",
                    "trailing_percent": "1",
                },
                {"symbol": "DOGE/USDT", "side": "buy", "amount": "100", "price": "9"},
                {"symbol": "BTC/USDT", "side": "buy", "amount": "1000"},
            ]
        )
    )


def futures_ticket(chance: random.Random) -> dict[str, Any]:
    """Return an order in a perpetual: positions open, grow, shrink and turn around; some are refused."""
    return dict(
        chance.choice(
            [
                {"side": "buy", "amount": "0.01"},
                {"side": "sell", "amount": "0.01"},
                {"side": "sell", "amount": "0.02"},
                {"side": "buy", "amount": "0.002", "price": "30000"},
                {"side": "sell", "amount": "0.005", "reduce_only": True},
                {"side": "sell", "amount": "0.003", "type": "trailing_stop", "trailing_percent": "0.5"},
                {"side": "buy", "amount": "900"},
            ]
        ),
        symbol="BTC/USDT:USDT",
    )
