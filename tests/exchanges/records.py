"""Every order and trade that a loopback exchange ever accepted: the truth, and what its clients see of it, late."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from typing import Concatenate

from tests.exchanges.orders import Order, Trade


def locked[S: Records, **P, R](method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Let one thread at a time run `method` of an exchange."""

    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.lock:
            return method(self, *args, **kwargs)

    functools.update_wrapper(run, method)
    return run


class Records:
    """Orders in all their states; `lag` is the time in s after which clients see a state."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.lag = 0.0
        self._versions: dict[int, list[tuple[float, Order]]] = {}
        self._by_account: dict[str, list[int]] = {}
        self._by_client_id: dict[tuple[str, str], int] = {}
        self._trades: list[tuple[float, Trade]] = []
        self._trades_of: dict[int, list[Trade]] = {}

    @locked
    def find(self, account: str, client_id: str) -> Order | None:
        """Return the account's latest order under this client's id."""
        order_id = self._by_client_id.get((account, client_id))
        return None if order_id is None else self.order(order_id)

    @locked
    def get(self, account: str, order_id: int) -> Order | None:
        """Return the account's order with this id."""
        versions = self._versions.get(order_id)
        return versions[-1][1] if versions and versions[-1][1].account == account else None

    @locked
    def trades_of(self, order_id: int) -> list[Trade]:
        """Return the fills of an order."""
        return list(self._trades_of.get(order_id, []))

    @locked
    def order(self, order_id: int) -> Order:
        """Return an order as it truly stands."""
        return self._versions[order_id][-1][1]

    @locked
    def orders(self, account: str | None = None) -> list[Order]:
        """Return every order that was ever accepted, in that order."""
        return [v[-1][1] for v in self._versions.values() if account is None or v[-1][1].account == account]

    @locked
    def trades(self, account: str | None = None) -> list[Trade]:
        """Return every trade there was."""
        return [trade for _, trade in self._trades if account is None or trade.account == account]

    @locked
    def seen_order(self, account: str, order_id: int) -> Order | None:
        """Return an order as the account sees it."""
        moment = time.monotonic() - self.lag
        versions = self._versions.get(order_id, [])
        return next((o for at, o in reversed(versions) if at <= moment and o.account == account), None)

    @locked
    def seen_orders(self, account: str) -> list[Order]:
        """Return the account's orders as it sees them, oldest first."""
        ids = self._by_account.get(account, [])
        return [order for order in (self.seen_order(account, order_id) for order_id in ids) if order]

    @locked
    def seen_trades(self, account: str) -> list[Trade]:
        """Return the account's trades as it sees them, oldest first."""
        moment = time.monotonic() - self.lag
        return [trade for at, trade in self._trades if at <= moment and trade.account == account]

    def _note_order(self, order: Order) -> float:
        """Remember the order's new state and return since when (monotonic s) it is so."""
        moment = time.monotonic()
        if order.id not in self._versions:
            self._versions[order.id] = []
            self._by_account.setdefault(order.account, []).append(order.id)
            self._by_client_id[order.account, order.client_id] = order.id
        self._versions[order.id].append((moment, order))
        return moment

    def _note_trade(self, trade: Trade) -> None:
        self._trades.append((time.monotonic(), trade))
        self._trades_of.setdefault(trade.order_id, []).append(trade)
