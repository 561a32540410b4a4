"""Steer a loopback exchange over HTTP: `POST /__control/<command>` with a JSON object; answers JSON.

| command | fields |
|---|---|
| `add_key` | `key`, `secret`, `passphrase`, `account`, `permissions` (`read`, `trade`, `withdraw`) |
| `set_price` | `symbol` (`BTC/USDT`), `price`, `spread` |
| `set_liquidity` | `symbol`, `amount` (null: no limit) |
| `deposit`, `withdraw` | `account`, `currency`, `amount` |
| `fill` | `order_id`, `amount` |
| `cancel` | `account`, `order_id` |
| `add_fault` | the fields of `faults.Fault` |
| `clear_faults` | switches lag and skew off, too |
| `set_lag`, `set_skew` | `seconds` |
| `orders`, `trades`, `balances` | `account` (the first two: all accounts when absent): the truth |
| `requests` | every request seen, with its fault |
| `urls` | what ccxt needs as `urls["api"]` |
| `futures` | `action`, one of `set_price`, `deposit`, `fund`, and its fields: of the perpetuals |
| `futures_truth` | `account`: its orders, wallet and positions (symbol → amount) |

A wrong command is 404, a wrong field 400 with `{"error": …}`. `Remote` is the same for Python.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.exchanges.faults import Fault
from tests.exchanges.orders import Rejected

if TYPE_CHECKING:
    from tests.exchanges.server import Loopback


class Controls:
    """The commands, by their names."""

    def __init__(self, exchange: Loopback) -> None:
        self._exchange = exchange
        book = exchange.book
        self.commands: dict[str, Callable[..., Any]] = {
            "add_key": lambda **fields: exchange.add_key(**fields).account,
            "set_price": book.set_price,
            "set_liquidity": book.set_liquidity,
            "deposit": book.deposit,
            "withdraw": book.withdraw,
            "fill": lambda **fields: book.fill(**fields).plain(),
            "cancel": lambda **fields: book.cancel(**fields).plain(),
            "add_fault": lambda **fields: exchange.faults.add(Fault(**fields)),
            "clear_faults": self._clear_faults,
            "set_lag": self._set_lag,
            "set_skew": self._set_skew,
            "orders": lambda account=None: [order.plain() for order in book.orders(account)],
            "trades": lambda account=None: [trade.plain() for trade in book.trades(account)],
            "balances": self._balances,
            "requests": lambda: [asdict(seen) for seen in exchange.seen],
            "urls": lambda: exchange.urls,
            "futures": self._futures,
            "futures_truth": self._futures_truth,
        }

    def _futures(self, action: str, **fields: Any) -> None:
        if action not in {"set_price", "deposit", "fund"}:
            raise ValueError(f"no action {action!r} of perpetuals")
        getattr(self._exchange.usdm.book, action)(**fields)  # type: ignore[attr-defined]

    def _futures_truth(self, account: str) -> dict[str, Any]:
        book = self._exchange.usdm.book  # type: ignore[attr-defined]
        return {
            "orders": [order.plain() for order in book.orders(account)],
            "wallet": str(book.wallet(account)),
            "positions": {each.symbol: f"{each.amount.normalize():f}" for each in book.positions(account)},
        }

    def _clear_faults(self) -> None:
        self._exchange.faults.clear()
        self._set_lag(0)
        self._set_skew(0)

    def _set_lag(self, seconds: float) -> None:
        self._exchange.book.lag = seconds
        if self._exchange.name == "binance":
            self._exchange.usdm.book.lag = seconds  # type: ignore[attr-defined]

    def _set_skew(self, seconds: float) -> None:
        self._exchange.skew = seconds

    def _balances(self, account: str) -> dict[str, dict[str, str]]:
        held = self._exchange.book.balances(account)
        return {currency: {"free": str(free), "locked": str(locked)} for currency, (free, locked) in held.items()}


def add_controls(application: web.Application, exchange: Loopback) -> None:
    """Let `application` take commands."""
    commands = Controls(exchange).commands

    async def control(request: web.Request) -> web.Response:
        command = commands.get(request.match_info["command"])
        if command is None:
            return web.json_response({"error": f"no such command; there are {', '.join(commands)}"}, status=404)
        text = await request.text()
        try:
            return web.json_response(command(**(json.loads(text) if text else {})))
        except (TypeError, ValueError, ArithmeticError, KeyError, Rejected) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)

    application.router.add_post("/__control/{command}", control)


class Remote:
    """The controls of an exchange in another process: `Remote(url)("set_price", symbol="BTC/USDT", price="1")`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, command: str, **fields: Any) -> Any:
        """Run a command and return its answer."""
        request = urllib.request.Request(f"{self.url}/__control/{command}", json.dumps(fields).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
