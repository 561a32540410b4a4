"""A loopback exchange as a process of its own, steered over HTTP."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ccxt
import pytest

from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.client import Client
from tests.exchanges.control import Remote

ROOT = Path(__file__).resolve().parents[3]
SYMBOL = "BTC/USDT"


@contextmanager
def process(name: str, *arguments: str) -> Iterator[Remote]:
    command = [sys.executable, "-m", f"tests.exchanges.{name}", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield Remote(running.stdout.readline().strip())
        finally:
            running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0


@pytest.mark.parametrize("name", ["binance", "kucoin"])
def test_process(name: str) -> None:
    secrets = ("--key", "key", "--secret", "secret", "--passphrase", "words", "--deposit", "USDT=10000")
    with process(name, *secrets) as remote:
        config: dict[str, Any] = {
            "apiKey": "key",
            "secret": "secret",
            "password": "words",
            "urls": {"api": remote("urls")},
        }
        with Client(name, timeout=2000, **config) as client:
            remote("set_price", symbol=SYMBOL, price="40000")
            assert client.fetch_ticker(SYMBOL)["last"] == 40000
            client.create_order(SYMBOL, "limit", "buy", 0.01, 39000, {"clientOrderId": "mine-1"})
            [order] = remote("orders")
            assert (order["client_id"], order["status"], order["price"]) == ("mine-1", "open", "39000")
            assert remote("fill", order_id=order["id"], amount="0.004")["filled"] == "0.004"
            assert [trade["amount"] for trade in remote("trades", account="main")] == ["0.004"]
            assert remote("cancel", account="main", order_id=order["id"])["status"] == "cancelled"
            remote("deposit", account="main", currency="USDT", amount="1")
            remote("withdraw", account="main", currency="USDT", amount="2")
            total = 9843 if name == "binance" else 9842.844
            assert client.fetch_balance()["USDT"]["total"] == total
            assert float(remote("balances", account="main")["USDT"]["free"]) == total
            remote("add_fault", kind="error", on="place", status=502)
            with pytest.raises(ccxt.ExchangeNotAvailable):
                client.create_order(SYMBOL, "limit", "buy", 0.01, 39000, {"clientOrderId": "mine-2"})
            assert [order["client_id"] for order in remote("orders")] == ["mine-1", "mine-2"]
            assert (remote("requests")[-1]["outcome"], remote("requests")[-1]["answered"]) == (200, 502)
            remote("set_skew", seconds=60)
            remote("set_lag", seconds=60)
            with pytest.raises(ccxt.InvalidNonce):
                client.fetch_balance()
            remote("clear_faults")
            assert len(client.fetch_open_orders(SYMBOL)) == 1


def test_wrong_commands() -> None:
    wrong: list[tuple[str, dict[str, object], int]] = [
        ("nonsense", {}, 404),
        ("set_price", {"symbol": "NO/PE", "price": "1"}, 400),
        ("set_price", {"symbol": SYMBOL, "price": "many"}, 400),
        ("set_price", {"symbol": SYMBOL, "price": "1", "wrong": 1}, 400),
        ("withdraw", {"account": "main", "currency": "USDT", "amount": "1"}, 400),
        ("add_fault", {"kind": "nonsense"}, 400),
        ("cancel", {"account": "main", "order_id": 1}, 400),
        ("fill", {"order_id": 1, "amount": "1"}, 400),
    ]
    with LoopbackBinance() as exchange:
        for command, fields, status in wrong:
            with pytest.raises(urllib.error.HTTPError) as caught:
                Remote(exchange.url)(command, **fields)
            assert caught.value.code == status, command
            assert json.load(caught.value)["error"]
        assert exchange.book.quotes[SYMBOL].price == 50000
