"""Options of a real exchange, from ccxt's unified `fetch_option_chain` and `fetch_all_greeks`."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from config import Settings
from engine.exchanges.client import client_class, connect
from engine.exchanges.failures import check_readable
from utils.errors import NotFound
from utils.money import told
from utils.wire import OptionExpiry, OptionQuote, OptionStrike

RELOAD_SECONDS = 3600.0
LOAD_SECONDS = 30.0
_GREEKS: dict[str, Callable[[str], dict[str, str]]] = {
    "bybit": lambda base: {"baseCoin": base},
    "okx": lambda base: {"uly": f"{base}-USD"},
}
"""How exchanges that tell the greeks of all options at once are asked for those of one underlying."""


class Options:
    """Read option chains with a client of its own: the list of an exchange's options is long, and few ask for it."""

    def __init__(self, exchange: str, settings: Settings) -> None:
        self._exchange = exchange
        self._settings = settings
        self._client: Any = None
        self._loaded_at = 0.0
        self._loading: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Refuse when the exchange has no options. :raises NotFound: `no_options`."""
        if not _offered(self._exchange):
            raise NotFound(f"{self._exchange} has no options.", code="no_options")

    async def read(self, base: str) -> list[OptionExpiry]:
        """Return the expiries of the options on `base`, ascending.

        :raises NotFound: `no_options`. :raises ccxt.BaseError: when the exchange does not answer.
        """
        if self._loading is None and (self._client is None or time.monotonic() - self._loaded_at > RELOAD_SECONDS):
            self._loading = asyncio.create_task(self._load())
            self._loading.add_done_callback(self._loaded)
        if self._loading is not None:
            # who has no more time leaves it to those who come after
            await asyncio.shield(self._loading)
        markets = {
            symbol: market
            for symbol, market in self._client.markets.items()
            if market.get("option") and market["base"] == base and market.get("active") is not False
        }
        if not markets:
            raise NotFound(f"There are no options on {base} at {self._exchange}.", code="no_options")
        chain = await self._client.fetch_option_chain(base)
        check_readable()
        return _expiries(chain, await self._greeks(base), markets)

    async def close(self) -> None:
        """Close the connection."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    async def _greeks(self, base: str) -> dict[str, Any]:
        asked = _GREEKS.get(self._exchange)
        if asked is None:
            return {}
        found = await self._client.fetch_all_greeks(None, asked(base))
        check_readable()
        rows = found.values() if isinstance(found, dict) else found
        return {row["symbol"]: row for row in rows}

    async def _load(self) -> None:
        client = connect(self._exchange, self._settings)
        client.options["fetchMarkets"] = {"types": ["option"]}
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                await client.load_markets()
        except BaseException:
            await client.close()
            raise
        before, self._client, self._loaded_at = self._client, client, time.monotonic()
        if before is not None:
            await before.close()

    def _loaded(self, task: asyncio.Task[None]) -> None:
        self._loading = None
        if not task.cancelled():
            task.exception()  # whoever waited has it; when nobody does, nobody misses it


@cache
def _offered(exchange: str) -> bool:
    return bool(client_class(exchange)().has.get("fetchOptionChain"))


def _expiries(chain: dict[str, Any], greeks: dict[str, Any], markets: dict[str, Any]) -> list[OptionExpiry]:
    quotes: dict[int, dict[Decimal, dict[str, OptionQuote]]] = defaultdict(lambda: defaultdict(dict))
    underlying: dict[int, Decimal | None] = {}
    for symbol, option in chain.items():
        market = markets.get(symbol)
        if market is not None:
            strike = told(market["strike"])
            quotes[market["expiry"]][strike][market["optionType"]] = _quote(symbol, option, greeks.get(symbol) or {})
            underlying.setdefault(market["expiry"], _positive(option.get("underlyingPrice")))
    return [
        OptionExpiry(
            expiry=datetime.fromtimestamp(expiry / 1000, UTC),
            underlying_price=underlying[expiry],
            strikes=[OptionStrike(strike=strike, **sides) for strike, sides in sorted(by_strike.items())],
        )
        for expiry, by_strike in sorted(quotes.items())
    ]


def _quote(symbol: str, option: dict[str, Any], greeks: dict[str, Any]) -> OptionQuote:
    volatility = greeks.get("markImpliedVolatility") or option.get("impliedVolatility")
    return OptionQuote(
        symbol=symbol,
        # zero stands for nobody
        bid=_positive(option.get("bidPrice")),
        ask=_positive(option.get("askPrice")),
        mark=_positive(option.get("markPrice") or greeks.get("markPrice")),
        last=_positive(option.get("lastPrice")),
        implied_volatility=_positive(volatility),
        delta=_exact(greeks.get("delta")),
        gamma=_exact(greeks.get("gamma")),
        theta=_exact(greeks.get("theta")),
        vega=_exact(greeks.get("vega")),
        rho=_exact(greeks.get("rho")),
        open_interest=_exact(option.get("openInterest")),
    )


def _exact(number: Any) -> Decimal | None:
    return None if number is None else told(number)


def _positive(number: Any) -> Decimal | None:
    value = _exact(number)
    return value if value else None
