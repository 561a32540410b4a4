"""The exchanges of the live traders: loopback ones, each in a process of its own, which fail in every way they can."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any

from tests.chaos.findings import UNFINISHED, Findings
from tests.chaos.traders import Trader
from tests.e2e.running import ROOT
from tests.exchanges.control import Remote

NAMES = ("binance", "kucoin")
PASSPHRASE = "storm-passphrase"
SYMBOL = "BTC/USDT"
PERPETUAL = "BTC/USDT:USDT"
PRICE = Decimal(50_000)
DEPOSIT = "50000"
LAG_SECONDS = 0.5
MOVE_SECONDS = 0.5
FUNDED = 0.2
"""How likely a move of the price comes with a funding."""
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "error", "on": "place", "accept": True, "probability": 0.04},
    {"kind": "error", "on": "place", "accept": False, "probability": 0.03},
    {"kind": "error", "on": "place", "accept": True, "status": 500, "code": "unknown", "probability": 0.02},
    {"kind": "garbage", "on": "place", "accept": True, "probability": 0.02},
    {"kind": "truncated", "on": "place", "accept": True, "probability": 0.02},
    {"kind": "refuse", "on": "place", "probability": 0.03},
    {"kind": "late", "on": "place", "seconds": 2, "probability": 0.02},
    {"kind": "stall", "on": "place", "seconds": 5, "probability": 0.005},
    # not a fault but a distance: whoever is killed has orders under way
    {"kind": "stall", "on": "place", "seconds": 0.4, "probability": 0.5},
    {"kind": "error", "on": "cancel", "accept": True, "probability": 0.05},
    {"kind": "refuse", "on": "cancel", "probability": 0.03},
    {"kind": "error", "on": "query", "accept": False, "probability": 0.03},
    {"kind": "garbage", "on": "query", "probability": 0.01},
    {"kind": "error", "on": "balance", "accept": False, "probability": 0.03},
)
UNKNOWN = {"binance": -1006, "kucoin": 500000}
"""The exchange's own code for not knowing what it did."""


class Exchange(AbstractContextManager["Exchange"]):
    """A running loopback exchange whose prices wander."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", f"tests.exchanges.{name}", "--port", "0", "--seed", str(seed)),
                *(("--futures-deposit", "USDT=1") if name == "binance" else ()),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        self.remote = Remote(self.url)
        self.remote("set_price", symbol=SYMBOL, price=str(PRICE))
        self._chance = random.Random(f"{name} {seed}")
        self._calm = threading.Event()
        self._walk = threading.Thread(target=self._wander)

    def __exit__(self, *_: object) -> None:
        self.calm()
        self._process.terminate()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def open_account(self, trader: Trader, *, futures: bool = False) -> None:
        """Give `trader` an account here, with funds, and connect it over the API."""
        keys = {"key": f"{trader.name}-key-{'k' * 24}", "secret": f"{trader.name}-secret-{'s' * 24}"}
        permissions = ["read", "trade", *(["futures"] if futures else [])]
        self.remote("add_key", account=trader.name, passphrase=PASSPHRASE, permissions=permissions, **keys)
        if futures:
            self.remote("futures", action="deposit", account=trader.name, currency="USDT", amount=DEPOSIT)
        self.remote("deposit", account=trader.name, currency="USDT", amount=DEPOSIT)
        self.remote("deposit", account=trader.name, currency="BTC", amount="1")
        body = {"name": "keys", "exchange": self.name, "api_key": keys["key"], "api_secret": keys["secret"]}
        if self.name == "kucoin":
            body["password"] = PASSPHRASE
        credential = trader.call("POST", "/api/credentials", json=body)["id"]
        trader.call("POST", f"/api/credentials/{credential}/verify")
        account = {"name": "live", "mode": "live", "exchange": self.name, "credential": credential}
        account["type"] = "futures" if futures else "spot"
        trader.account = trader.call("POST", "/api/accounts", json=account)["id"]
        trader.call("GET", "/api/portfolio", params={"account": trader.account})

    def rage(self) -> None:
        """Begin to fail, to lag, and to move prices."""
        self.remote("set_lag", seconds=LAG_SECONDS)
        for fault in FAULTS:
            self.remote("add_fault", **{**fault, **({"code": UNKNOWN[self.name]} if "code" in fault else {})})
        self._walk.start()

    def calm(self) -> None:
        """Recover: from now on every answer is right, and the price stands."""
        self._calm.set()
        if self._walk.is_alive():
            self._walk.join()
        self.remote("clear_faults")

    def orders(self, account: str) -> list[dict[str, Any]]:
        """Return every order that was ever taken from `account`: the truth."""
        found: list[dict[str, Any]] = self.remote("orders", account=account)
        return found

    def balances(self, account: str) -> dict[str, Decimal]:
        """Return the total of each currency."""
        held = self.remote("balances", account=account)
        return {currency: Decimal(row["free"]) + Decimal(row["locked"]) for currency, row in held.items()}

    def _wander(self) -> None:
        price = PRICE
        while not self._calm.wait(MOVE_SECONDS):
            price = (price * Decimal(str(self._chance.uniform(0.998, 1.002)))).quantize(Decimal("0.01"))
            self.remote("set_price", symbol=SYMBOL, price=str(price))
            if self.name == "binance":
                self.remote("futures", action="set_price", symbol=PERPETUAL, price=str(round(price, 1)))
                if self._chance.random() < FUNDED:
                    self.remote("futures", action="fund", symbol=PERPETUAL, rate="0.0001")

    def futures(self, account: str) -> dict[str, Any]:
        """Return orders, wallet and positions in perpetuals: the truth."""
        found: dict[str, Any] = self.remote("futures_truth", account=account)
        return found


def futures_ticket(chance: random.Random) -> dict[str, Any]:
    """Return an order in a perpetual: it opens, adds, reduces, reverses, rests, or is refused."""
    near = str((PRICE * Decimal(str(chance.uniform(0.99, 1.01)))).quantize(Decimal("0.1")))
    order: dict[str, Any] = chance.choice(
        [
            {"side": "buy", "amount": "0.002"},
            {"side": "sell", "amount": "0.002"},
            {"side": "buy", "amount": "0.003", "price": near},
            {"side": "sell", "amount": "0.003", "price": near},
            {"side": "sell", "amount": "0.001", "reduce_only": True},
            {"side": "buy", "amount": "900"},
        ]
    )
    return {"symbol": PERPETUAL, **order}


def live_ticket(chance: random.Random) -> dict[str, Any]:
    """Return an order on the exchange: some fill at once, some soon, some rest, some are refused."""
    near = str((PRICE * Decimal(str(chance.uniform(0.99, 1.01)))).quantize(Decimal("0.01")))
    order = chance.choice(
        [
            {"side": "buy", "amount": "0.001"},
            {"side": "sell", "amount": "0.001"},
            {"side": "buy", "amount": "0.001", "price": near},
            {"side": "sell", "amount": "0.001", "price": near},
            {"side": "buy", "amount": "0.002", "price": near, "time_in_force": "ioc"},
            {"side": "sell", "amount": "0.0005", "price": "90000"},
            {"side": "sell", "amount": "900"},
        ]
    )
    return {"symbol": SYMBOL, **order}


def compare(
    findings: Findings, exchange: Exchange, trader: Trader, rows: dict[str, Any], sums: dict[str, Decimal]
) -> None:
    """Hold the orders and balances of one live trader in SQL against the exchange's.

    :param rows: the trader's orders by the id that the exchange knows them by. :param sums: balances by currency.
    """
    futures = exchange.futures(trader.name) if trader.tickets is futures_ticket else None
    taken: dict[str, list[dict[str, Any]]] = {}
    for order in exchange.orders(trader.name) if futures is None else futures["orders"]:
        taken.setdefault(order["client_id"], []).append(order)
    for client_id, orders in taken.items():
        if len(orders) > 1:
            findings.add("duplicated", f"{len(orders)} orders {client_id} at the exchange")
        if client_id not in rows:
            findings.add("lost", f"the exchange took {client_id}, of which nothing is known here")
    for client_id, row in rows.items():
        if row.status not in UNFINISHED:  # those are counted already
            _compare_order(findings, row, taken.get(client_id, []))
    held = exchange.balances(trader.name) if futures is None else {"USDT": Decimal(futures["wallet"])}
    for currency in held.keys() | sums.keys():
        here, real = sums.get(currency, Decimal(0)), held.get(currency, Decimal(0))
        if here != real:
            findings.add("differences", f"{trader.name} has {here} {currency} here and {real} there")


def _compare_order(findings: Findings, row: Any, there: list[dict[str, Any]]) -> None:
    alive = any(order["status"] == "open" for order in there)
    filled = sum((Decimal(order["filled"]) for order in there), Decimal(0))
    if row.closed_at is not None and alive:
        findings.add("ghosts", f"{row.id} is {row.status} here and open there")
    elif row.status == "rejected" and there:
        findings.add("ghosts", f"{row.id} is rejected here and was taken there: {there[0]['status']}")
    elif not there and (row.closed_at is None or row.filled):
        # one that was canceled before it arrived is none: nothing of it is alive or filled
        findings.add("phantoms", f"{row.id} is {row.status} here and unknown there")
    elif row.closed_at is None and there and not alive:
        findings.add("unfinished", f"{row.id} is {row.status} here and {there[0]['status']} there")
    elif row.filled != filled:
        findings.add("differences", f"{row.id} has filled {row.filled} here and {filled} there")
