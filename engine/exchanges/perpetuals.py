"""The linear perpetuals of a real exchange, asked with a client of their own: spot does not wait for them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import ccxt
from msgspec.structs import replace

from config import Settings
from engine.exchanges import attempt
from engine.exchanges.client import connect
from engine.exchanges.failures import check_readable
from engine.exchanges.instruments import perpetuals
from engine.exchanges.pulse import Sign, sign_of
from engine.exchanges.tickers import exact, ticker_of, turnover
from engine.markets.source import Funding
from utils.clock import from_ms, to_ms
from utils.money import told
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
        self.signs: dict[str, Sign] = {}
        """What the last poll that was answered showed of each."""
        self._settings = settings
        self._loaded_at: float | None = None
        self._again_at = 0.0
        self._failed = False

    def renew(self) -> None:
        """Let the next poll connect anew and read the markets again."""
        self._loaded_at = None

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
        since, end = to_ms(after), to_ms(until)
        rows = await self.client.fetch_funding_rate_history(symbol, since + 1, MOST_FUNDINGS, {"until": end})
        check_readable()
        return [
            Funding(
                at=from_ms(row["timestamp"]),
                rate=told(row["fundingRate"]),
                mark=told(row["info"]["markPrice"]),
            )
            for row in rows
        ]

    async def _load(self, known: list[str]) -> None:
        """Connect, always anew: a connection may be what is wrong."""
        client = connect(self.exchange, self._settings, kind="futures")
        try:
            await client.load_markets()
            check_readable()
            intervals = {} if not client.markets else await client.fetch_funding_intervals()
        except BaseException:
            await client.close()
            raise
        before, self.client = self.client, client
        if before is not None:
            await before.close()
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
        return sorted(offered, key=lambda symbol: turnover(offered[symbol], tickers), reverse=True)[:MOST_MARKETS]

    async def _tickers(self, now: float) -> list[Ticker]:
        symbols = list(self.instruments)
        traded = await self.client.fetch_tickers(symbols)
        check_readable()
        rates = await self.client.fetch_funding_rates(symbols)
        check_readable()
        self.signs = {symbol: sign_of(ticker) for symbol, ticker in traded.items()}
        found = [self._ticker(symbol, traded.get(symbol), rates.get(symbol), now) for symbol in symbols]
        return [ticker for ticker in found if ticker is not None]

    def _ticker(self, symbol: str, traded: Any, rated: Any, now: float) -> Ticker | None:
        ticker = ticker_of(symbol, self.exchange, traded or {}, now)
        if ticker is None or rated is None or exact(rated["markPrice"]) <= 0:
            return None  # nobody has traded it yet, or it is being settled
        due = rated.get("fundingTimestamp")
        return replace(
            ticker,
            mark_price=exact(rated["markPrice"]),
            index_price=exact(rated.get("indexPrice")) or None,
            funding_rate=exact(rated.get("fundingRate")),
            next_funding_at=None if not due else from_ms(due),
        )


def _seconds(intervals: dict[str, Any]) -> dict[str, int]:
    """Return the seconds between two fundings of the markets whose interval the exchange tells, such as `4h`."""
    told = {symbol: str(row.get("interval") or "").removesuffix("h") for symbol, row in intervals.items()}
    return {symbol: int(hours) * 3600 for symbol, hours in told.items() if hours.isdecimal() and int(hours)}
