"""Catch up with an exchange that knows more than a restored database: adopt the orders that only it remembers.

Our orders carry our order id as their client id there, so each is recognised, and made anew under its own id: doing it
twice finds it known. Fills come with the exchange's trade ids, as always.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

from engine.journal.records import Records
from engine.journal.unit import Unit
from engine.live.account import LiveAccount
from engine.live.outcomes import FAILURES, order_of
from engine.live.pages import Page
from engine.live.timing import receive_window
from engine.live.trader import Unreachable
from engine.orders import kinds
from utils import clock, wire
from utils.money import ZERO
from utils.ties import name_of

_log = logging.getLogger(__name__)
Change = Callable[[Any, Callable[[Any, Unit], Awaitable[Any]]], Awaitable[Any]]
MARGIN = timedelta(hours=1)
"""How far before what is known the search begins, and how far clocks may differ."""
WINDOW_MS = 86_000_000
"""Exchanges list the orders of a day at most in one answer."""
FULL = 20
"""An answer with as many orders may be one page of more: the smallest page that exchanges have."""
SHORTEST_MS = 50
_CLIENT_ID = re.compile(r"[0-9a-f]{32}")


class Reconciler:
    """Adopt what a live account's exchange has of ours and SQL has not."""

    def __init__(self, change: Change, records: Records) -> None:
        self._change = change
        self._records = records

    async def adopt(self, account: LiveAccount) -> bool:
        """Adopt the orders of every market, and tell whether that is done. :raises Unreachable: no answer.

        What was found before a failure counts: the next call goes on from there.
        """
        if account.behind is None:
            return True
        if time.monotonic() < account.opened_at + _settled_after(account):
            return False  # what was sent before the end of the old engine may still arrive, or not be shown yet
        if account.unread is None:
            account.unread = _pages(account, account.behind - MARGIN, clock.now() + MARGIN)
        while account.unread:
            page = account.unread[-1]
            listed = await _listed(account, page)
            if len(listed) >= FULL and page.length > SHORTEST_MS:
                account.unread[-1:] = page.halves()
                continue
            await self._adopt(account, {our_id(raw): raw for raw in listed})
            account.unread.pop()
        return True

    async def finish(self, account: LiveAccount) -> None:
        """Note that the account knows its exchange again: it trades from now on."""
        await asyncio.to_thread(self._records.reconciled, account.record.id)
        account.behind = None
        _log.info("account %s knows its exchange again", account.record.id)

    async def _adopt(self, account: LiveAccount, listed: dict[str | None, Any]) -> None:
        found = {order_id: raw for order_id, raw in listed.items() if order_id is not None}
        known = await asyncio.to_thread(self._records.statuses, list(found))
        held = {order.id for order in account.orders.values() if kinds.is_held(order)}
        for order_id in sorted(found.keys() - (known.keys() - held)):
            try:
                order, state = adopted(order_id, found[order_id], account), order_of(found[order_id])
            except FAILURES as error:
                raise Unreachable(f"an order of ours makes no sense: {error}") from error
            fills = [] if state.filled == ZERO else await account.trader.fills(order, state.id)

            async def book(
                account: LiveAccount, unit: Unit, order: wire.Order = order, state: Any = state, fills: Any = fills
            ) -> None:
                account.adopt(order, state, fills, unit)

            await self._change(account, book)
            _log.warning("order %s was adopted from %s", order_id, account.record.exchange)


def our_id(raw: Any) -> str | None:
    """Return the id of the order of ours that `raw`, ccxt's order, is; None when it is somebody else's."""
    client_id, timestamp = raw.get("clientOrderId"), raw.get("timestamp")
    if not isinstance(client_id, str) or not _CLIENT_ID.fullmatch(client_id):
        return None
    made = uuid.UUID(client_id)
    # one that was held here was sent any time later
    if made.version != 7 or (timestamp and made_at(made) - clock.from_ms(timestamp) > MARGIN):
        return None
    return str(made)


def made_at(made: uuid.UUID) -> datetime:
    """Return when a UUID of version 7 was made."""
    return clock.from_ms(made.int >> 80)


def adopted(order_id: str, raw: Any, account: LiveAccount) -> wire.Order:
    """Return the order of ours that `raw`, ccxt's order, tells of, with nothing booked yet.

    :raises ValueError: when it makes no sense. :raises ArithmeticError: likewise.
    """
    kind = "market" if raw["type"] == "market" else "limit"
    tif = str(raw.get("timeInForce") or "gtc").lower()
    amount, moment = Decimal(raw["amount"]), made_at(uuid.UUID(order_id))
    price = Decimal(raw["price"]) if kind == "limit" else None
    if raw["side"] not in get_args(wire.Side) or amount <= ZERO or (price is not None and price <= ZERO):
        raise ValueError(f"side {raw['side']}, amount {amount}, price {price}")
    return wire.Order(
        id=order_id,
        client_order_id=name_of(order_id),
        account=account.record.id,
        mode="live",
        exchange=account.record.exchange,
        symbol=raw["symbol"],
        side=raw["side"],
        type="market" if kind == "market" else "limit",
        status="unknown",
        amount=amount,
        filled=ZERO,
        remaining=amount,
        price=price,
        stop_price=None,
        trailing_percent=None,
        trailing_level=None,
        average=None,
        cost=ZERO,
        fee=None,
        time_in_force="ioc" if tif == "ioc" else "fok" if tif == "fok" else "gtc",
        reduce_only=raw.get("reduceOnly") is True,
        group_id=None,
        triggered_at=None,
        reject_code=None,
        created_at=moment,
        updated_at=clock.now(),
        take_profit=None,
        stop_loss=None,
        sent_at=moment,
        exchange_order_id=str(raw["id"]),
    )


def _pages(account: LiveAccount, since: datetime, until: datetime) -> list[Page]:
    """Return what has to be read: of each market the open orders, and all that were made in between."""
    begin, end = clock.to_ms(since), clock.to_ms(until)
    pages = []
    for symbol in account.symbols():
        pages.append(Page(symbol, None, 0))
        pages += [Page(symbol, start, min(start + WINDOW_MS, end)) for start in range(begin, end, WINDOW_MS)]
    return pages


async def _listed(account: LiveAccount, page: Page) -> list[Any]:
    if page.start is None:
        return await account.trader.open_listing(page.symbol)
    return await account.trader.listing(page.symbol, page.start, page.stop)


def _settled_after(account: LiveAccount) -> float:
    """Return how many seconds after its opening everything that was sent before has arrived and is shown."""
    timing = account.timing
    window = receive_window(account.record.exchange) if timing.window is None else timing.window
    return timing.send + window + timing.lag
