"""All fills of an order: exchanges return them in pages, the latest first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

List = Callable[..., Awaitable[list[Any]]]
"""Asks the ccxt client for a list: its method, and what that takes."""
BINANCE_PAGE = 1000
"""It gives 500 when nothing is said."""
KUCOIN_PAGE = 100
KUCOIN_CLASSIC_PAGE = 50
"""Of accounts that are not high-frequency ones."""


async def at_binance(ask: List, symbol: str, exchange_order_id: str) -> list[Any]:
    """Return ccxt's fills of an order: the latest ones, and when there are more, all from the first on."""
    params = {"orderId": exchange_order_id}
    page = await ask("fetch_my_trades", symbol, None, BINANCE_PAGE, params)
    found, start = {each["id"]: each for each in page}, 0
    while len(page) >= BINANCE_PAGE:
        page = await ask("fetch_my_trades", symbol, None, BINANCE_PAGE, {**params, "fromId": start})
        found.update((each["id"], each) for each in page)
        start = max((int(each["id"]) for each in page), default=start) + 1
    return list(found.values())


async def at_kucoin(ask: List, symbol: str, exchange_order_id: str, *, high_frequency: bool) -> list[Any]:
    """Return ccxt's fills of an order, page by page until one brings nothing new."""
    found: dict[str, Any] = {}
    size = KUCOIN_PAGE if high_frequency else KUCOIN_CLASSIC_PAGE
    place: dict[str, int] = {}
    while True:
        page = await ask("fetch_order_trades", exchange_order_id, symbol, None, size, place)
        new = {each["id"]: each for each in page if each["id"] not in found}
        found.update(new)
        if len(page) < size or not new:
            return list(found.values())
        if high_frequency:
            place = {"lastId": min(int(each["info"]["id"]) for each in page)}
        else:
            place = {"currentPage": len(found) // size + 1}
