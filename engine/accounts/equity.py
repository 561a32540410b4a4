"""Values of accounts, computed from SQL and the present prices without opening them; and samples of these values."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from engine.accounts.valuation import DIGITS
from engine.journal.holdings import Holdings, Owned, Sample
from engine.markets.market import Market
from engine.markets.markets import Markets
from utils import clock, wire
from utils.errors import EngineUnavailable, NotFound, StorageUnavailable
from utils.money import ONE, ZERO

_log = logging.getLogger(__name__)
AT_ONCE = 50
"""Accounts that are valued before others have their turn."""

THIN_SECONDS = 3600.0
LOOKBACK = timedelta(days=3)
"""How far behind each age the samples are thinned once more: an engine that was away catches up at the next age."""

AGES = (
    (timedelta(hours=26), 1_800),
    (timedelta(days=8), 3 * 3_600),
    (timedelta(days=33), 8 * 3_600),
    (timedelta(days=100), 86_400),
    (timedelta(days=400), 7 * 86_400),
)
"""Beyond each age one sample is kept per so many seconds: about 1,400 of an account's first 400 days, 52 a year after.

A sample at which something was deposited stays, whatever its age: without it a deposit would look like a gain.
"""


class Rates:
    """Convert currencies at the mark prices of one market, directly or over one currency in between.

    A mark that was asked for stays: everybody is valued at the same.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._known: dict[tuple[str, str], Decimal | None] = {}
        self._marks: dict[str, Decimal | None] = {}

    def rate(self, currency: str, target: str) -> Decimal | None:
        """Return what one unit of `currency` is worth in `target`; None when no market tells."""
        pair = (currency, target)
        if pair not in self._known:
            self._known[pair] = self._direct(*pair) or self._over(*pair)
        return self._known[pair]

    def is_silent(self, currency: str, target: str) -> bool:
        """Tell whether there is a market for the pair that has no price at present."""
        symbols = (f"{currency}/{target}", f"{target}/{currency}")
        return any(symbol in self._market.instruments and self._price(symbol) is None for symbol in symbols)

    def price(self, symbol: str) -> Decimal | None:
        """Return the mark price of a market; None when there is none."""
        return self._price(symbol) if symbol in self._market.instruments else None

    def gain(self, symbol: str, amount: Decimal, entry: Decimal | None, target: str) -> Decimal | None:
        """Return what closing a linear position at the mark would gain, in `target`."""
        mark = self.price(symbol)
        if mark is None or entry is None:
            return None
        rate = self.rate(self._market.instruments[symbol].quote, target)
        return None if rate is None else amount * (mark - entry) * rate

    def _direct(self, currency: str, target: str) -> Decimal | None:
        if currency == target:
            return ONE
        if (price := self.price(f"{currency}/{target}")) is not None:
            return price
        inverse = self.price(f"{target}/{currency}")
        return None if not inverse else ONE / inverse

    def _over(self, currency: str, target: str) -> Decimal | None:
        for between in self._quotes():
            first, second = self._direct(currency, between), self._direct(between, target)
            if first is not None and second is not None:
                return first * second
        return None

    def _quotes(self) -> Iterator[str]:
        seen = set()
        for instrument in self._market.instruments.values():
            if instrument.quote not in seen:
                seen.add(instrument.quote)
                yield instrument.quote

    def worth(self, owned: Owned) -> Decimal | None:
        """Return what an account is worth in its reference currency; None while that cannot be told."""
        total, target = ZERO, owned.reference_currency
        for currency, amount in owned.totals.items():
            rate = self.rate(currency, target)
            if rate is None:
                return None
            total += amount * rate
        for position in owned.positions:
            gain = self.gain(*position, target)
            if gain is None:
                return None
            total += gain
        return _short(total)

    def _price(self, symbol: str) -> Decimal | None:
        if symbol not in self._marks:
            try:
                self._marks[symbol] = self._market.quote(symbol).mark
            except EngineUnavailable:
                self._marks[symbol] = None
        return self._marks[symbol]


class Equities:
    """Value accounts, and sample what they are worth over time."""

    def __init__(self, holdings: Holdings, markets: Markets) -> None:
        self._holdings = holdings
        self._markets = markets
        self._last: dict[str, tuple[Decimal, Decimal]] = {}

    async def equity(self, query: wire.GetEquity) -> list[wire.Equity]:
        """Value the accounts that are asked for. :raises NotFound: unknown account."""
        owned = {each.account: each for each in await asyncio.to_thread(self._holdings.read, query.accounts)}
        if any(account not in owned for account in query.accounts):
            raise NotFound("There is no such account.", code="account_not_found")
        rates: dict[str, Rates] = {}
        return [self._value(owned[account], query.currency, rates) for account in query.accounts]

    async def sample(self, moment: datetime) -> int:
        """Write what every active account is worth now, where that has changed; return how many samples.

        An account some of whose markets have no price at present is left out, since it would seem to lose their worth.
        """
        rates: dict[str, Rates] = {}
        count, last = 0, ""
        # in parts, so that neither the loop nor the database is held for long
        while ids := await asyncio.to_thread(self._holdings.active, last):
            last = ids[-1]
            rows: list[Sample] = []
            for number, owned in enumerate(await asyncio.to_thread(self._holdings.read, ids, only_holding=True)):
                if number % AT_ONCE == 0:
                    await asyncio.sleep(0)  # requests come in between
                rows += self._changed(owned, rates, moment)
            if rows:
                await asyncio.to_thread(self._holdings.add_samples, [each._asdict() for each in rows])
                self._last.update((each.account_id, (each.value, each.deposited)) for each in rows)
            count += len(rows)
        return count

    async def thin(self, moment: datetime) -> int:
        """Delete samples that are too many for their age; return how many."""
        removed = 0
        for age, seconds in AGES:
            removed += await asyncio.to_thread(self._holdings.thin, moment - age - LOOKBACK, moment - age, seconds)
        return removed

    async def run(self, seconds: float) -> None:
        """Sample every `seconds`, and thin every hour, until cancelled."""
        thinned = clock.now() - timedelta(seconds=THIN_SECONDS)
        while True:
            moment = clock.now()
            try:
                await self.sample(moment)
                if moment - thinned >= timedelta(seconds=THIN_SECONDS):
                    await self.thin(moment)
                    thinned = moment
            except StorageUnavailable as error:
                _log.warning("what accounts are worth is not sampled now: %s", error.detail)
            await asyncio.sleep(seconds)

    def _changed(self, owned: Owned, rates: dict[str, Rates], moment: datetime) -> list[Sample]:
        """Return the sample of an account that is not worth what it was; none of one that cannot be valued."""
        equity = self._value(owned, None, rates)
        if equity.value is None or equity.deposited is None or self._is_silent(owned, rates):
            return []
        if self._last.get(owned.account) == (equity.value, equity.deposited):
            return []
        return [Sample(owned.account, moment, equity.value, equity.deposited)]

    def _value(self, owned: Owned, currency: str | None, rates: dict[str, Rates]) -> wire.Equity:
        currency = currency or owned.reference_currency
        if owned.exchange not in self._markets:
            return _equity(owned, currency, missing="exchange_not_connected")
        here = rates.setdefault(owned.exchange, Rates(self._markets.get(owned.exchange)))
        stakes = []
        for held, amount in sorted(owned.totals.items()):
            rate = here.rate(held, currency)
            stakes.append(
                wire.Stake(currency=held, amount=amount, value=None if rate is None else _short(amount * rate))
            )
        gains = [here.gain(*position, currency) for position in owned.positions]
        gain = _short(sum((each for each in gains if each is not None), ZERO))
        rate = here.rate(owned.reference_currency, currency)
        deposited = None if owned.deposited is None or rate is None else _short(owned.deposited * rate)
        value = sum((stake.value for stake in stakes if stake.value is not None), ZERO) + gain
        return _equity(owned, currency, value=value, deposited=deposited, unrealized_pnl=gain, stakes=stakes)

    def _is_silent(self, owned: Owned, rates: dict[str, Rates]) -> bool:
        here = rates[owned.exchange]
        held = any(here.is_silent(currency, owned.reference_currency) for currency in owned.totals)
        return held or any(here.price(symbol) is None for symbol, _, _ in owned.positions)


def _equity(
    owned: Owned,
    currency: str,
    *,
    value: Decimal | None = None,
    deposited: Decimal | None = None,
    unrealized_pnl: Decimal | None = None,
    stakes: list[wire.Stake] | None = None,
    missing: str | None = None,
) -> wire.Equity:
    known = [wire.Stake(currency=held, amount=amount, value=None) for held, amount in sorted(owned.totals.items())]
    return wire.Equity(
        account=owned.account,
        mode=owned.mode,
        exchange=owned.exchange,
        currency=currency,
        value=value,
        deposited=deposited,
        unrealized_pnl=unrealized_pnl,
        stakes=known if stakes is None else stakes,
        missing=missing,
    )


def _short(value: Decimal) -> Decimal:
    """Return `value` without the digits that a division left behind."""
    rounded = value.quantize(DIGITS)
    return value if value == rounded else rounded
