"""The linear perpetuals of a real exchange, asked with a client of their own: spot does not wait for them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import ccxt

from config import Settings
from engine.demo.source import Funding
from engine.exchanges import attempt
from engine.exchanges.client import connect
from engine.exchanges.failures import check_readable
from engine.exchanges.instruments import perpetuals
from utils.clock import from_ms
from utils.money import ZERO
from utils.wire import Instrument, Ticker

_log = logging.getLogger(__name__)
POLL_SECONDS = 4.0
"""How long they keep a poll of the exchange's spot markets waiting at most."""
LOAD_SECONDS = 20.0
RELOAD_SECONDS = 3600.0
AGAIN_SECONDS = 15.0
"""How long they are left alone after they did not answer."""
MOST_MARKETS = 50
"""How many are followed unless they are named: the most traded ones."""
MOST_FUNDINGS = 1000


class Perpetuals:
    """Ask one exchange for its perpetuals; to be used on the event loop of its source."""

    def __init__(self, exchange: str, settings: Settings) -> None:
        self.exchange = exchange
        self.instruments: dict[str, Instrument] = {}
        self.client: Any = None
        """None before the markets were read for the first time."""
        self._settings = settings
        self._loaded_at: float | None = None
        self._again_at = 0.0
        self._failed = False

    async def poll(self, known: list[str], clock: Callable[[], float]) -> list[Ticker]:
        """Return the tickers of the perpetuals that are followed; none while the exchange does not tell.

        :param known: symbols that somebody may hold. :param clock: tells the Unix seconds that tickers are dated with.
        """
        if time.monotonic() < self._again_at:
            return []
        due = self._loaded_at is None or time.monotonic() - self._loaded_at > RELOAD_SECONDS
        with attempt.noting():
            try:
                async with asyncio.timeout(LOAD_SECONDS if due else POLL_SECONDS):
                    if due:
                        await self._load(known)
                    tickers = await self._tickers(clock()) if self.instruments else []
            except Exception as error:
                self._again_at = time.monotonic() + AGAIN_SECONDS
                if not self._failed:
                    # its text may repeat what was sent: the kind has to do
                    _log.warning("the perpetuals of %s cannot be read: %s", self.exchange, type(error).__name__)
                self._failed = True
                if isinstance(error, ccxt.BadSymbol):
                    self._loaded_at = None  # a market has gone: read them anew
                return []
        self._failed = False
        return tickers

    async def fundings(self, symbol: str, after: datetime, until: datetime) -> list[Funding]:
        """Return the fundings later than `after`, up to `until`, as far as the exchange tells; oldest first.

        :raises ccxt.BaseError: when it does not answer.
        """
        since, end = (int(moment.timestamp() * 1000) for moment in (after, until))
        rows = await self.client.fetch_funding_rate_history(symbol, since + 1, MOST_FUNDINGS, {"until": end})
        check_readable()
        return [
            Funding(
                at=from_ms(row["timestamp"]),
                rate=Decimal(str(row["fundingRate"])),
                mark=Decimal(row["info"]["markPrice"]),
            )
            for row in rows
        ]

    async def _load(self, known: list[str]) -> None:
        client = self.client or connect(self.exchange, self._settings, kind="futures")
        try:
            await client.load_markets(True)
            check_readable()
            intervals = {} if not client.markets else await client.fetch_funding_intervals()
        except BaseException:
            if self.client is None:
                await client.close()
            raise
        self.client = client
        offered = {each.symbol: each for each in perpetuals(client, _seconds(intervals))}
        chosen = list(self._settings.market_symbols) or await self._most_traded(offered)
        followed = [symbol for symbol in dict.fromkeys([*chosen, *known]) if symbol in offered]
        self.instruments = {symbol: offered[symbol] for symbol in followed}
        self._loaded_at = time.monotonic()

    async def _most_traded(self, offered: dict[str, Instrument]) -> list[str]:
        if self.instruments or not offered:
            return list(self.instruments)
        tickers = await self.client.fetch_tickers()
        check_readable()

        def worth(symbol: str) -> Decimal:
            return _exact((tickers.get(symbol) or {}).get("quoteVolume"))

        return sorted(offered, key=worth, reverse=True)[:MOST_MARKETS]

    async def _tickers(self, now: float) -> list[Ticker]:
        symbols = list(self.instruments)
        traded = await self.client.fetch_tickers(symbols)
        check_readable()
        rates = await self.client.fetch_funding_rates(symbols)
        check_readable()
        found = [self._ticker(symbol, traded.get(symbol), rates.get(symbol), now) for symbol in symbols]
        return [ticker for ticker in found if ticker is not None]

    def _ticker(self, symbol: str, traded: Any, rated: Any, now: float) -> Ticker | None:
        last = _exact((traded or {}).get("last"))
        if last <= 0 or rated is None or _exact(rated["markPrice"]) <= 0:
            return None  # nobody has traded it yet, or it is being settled
        bid, ask = _exact(traded.get("bid")) or last, _exact(traded.get("ask")) or last
        due = rated.get("fundingTimestamp")
        return Ticker(
            symbol=symbol,
            exchange=self.exchange,
            last=last,
            bid=min(bid, ask),
            ask=max(bid, ask),
            high=_exact(traded.get("high")) or last,
            low=_exact(traded.get("low")) or last,
            volume=_exact(traded.get("baseVolume")),
            change_percent=_exact(traded.get("percentage")),
            as_of=datetime.fromtimestamp(now, UTC),
            stale=False,
            mark_price=_exact(rated["markPrice"]),
            index_price=_exact(rated.get("indexPrice")) or None,
            funding_rate=_exact(rated.get("fundingRate")),
            next_funding_at=None if not due else from_ms(due),
        )


def _seconds(intervals: dict[str, Any]) -> dict[str, int]:
    """Return the seconds between two fundings of the markets whose interval the exchange tells, such as `4h`."""
    told = {symbol: str(row.get("interval") or "").removesuffix("h") for symbol, row in intervals.items()}
    return {symbol: int(hours) * 3600 for symbol, hours in told.items() if hours.isdecimal() and int(hours)}


def _exact(number: Any) -> Decimal:
    return ZERO if number is None else Decimal(str(number))
