"""The value of a portfolio at each candle, computed from its trades alone and compared with the engine's own books."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from engine.backtests.history import HistoryMarket
from utils.backtests import PlayedTrade, Worth
from utils.money import ZERO


class Books:
    """Follow a portfolio through trades, whose fees are paid in the quote currency."""

    def __init__(self, currency: str, portfolio: Mapping[str, Decimal], market: HistoryMarket) -> None:
        self._currency = currency
        self._market = market
        self._bases = {each.symbol: each.base for each in market.instruments()}
        self._started = dict(portfolio)
        self._totals: defaultdict[str, Decimal] = defaultdict(Decimal, portfolio)

    def curve(self, trades: list[PlayedTrade]) -> list[Worth]:
        """Return what all was worth at the start, and at the close of every candle."""
        market = self._market
        opening = market.prices(market.begins)
        curve = [self._worth(market.begins, opening, opening)]
        left = iter([*trades, None])
        trade = next(left)
        for end in range(market.begins + market.frame, market.ends + 1, market.frame):
            while trade is not None and trade.at.timestamp() < end:
                self._book(trade)
                trade = next(left)
            curve.append(self._worth(end, market.prices(end - market.frame * 0.01), opening))
        return curve

    def checked(self, holdings: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """Return what is held at the end. :raises RuntimeError: the engine's books say something else."""
        mine = {currency: amount for currency, amount in sorted(self._totals.items()) if amount}
        its = {currency: amount for currency, amount in sorted(holdings.items()) if amount}
        if mine != its:
            raise RuntimeError(f"the trades lead to {mine}, the engine's books to {its}")
        return mine

    def _book(self, trade: PlayedTrade) -> None:
        sign = 1 if trade.side == "buy" else -1
        self._totals[self._bases[trade.symbol]] += sign * trade.amount
        self._totals[self._currency] -= sign * trade.cost + trade.fee

    def _worth(self, at: float, prices: Mapping[str, Decimal], opening: Mapping[str, Decimal]) -> Worth:
        return Worth(
            at=datetime.fromtimestamp(at, UTC),
            value=self._value(self._totals, prices),
            held=self._held(prices, opening),
        )

    def _value(self, totals: Mapping[str, Decimal], prices: Mapping[str, Decimal]) -> Decimal:
        coins = (totals.get(base, ZERO) * prices[symbol] for symbol, base in self._bases.items())
        return totals.get(self._currency, ZERO) + sum(coins, ZERO)

    def _held(self, prices: Mapping[str, Decimal], opening: Mapping[str, Decimal]) -> Decimal:
        """Return what the portfolio were worth, had its money bought the same value of each symbol at the start."""
        share = self._started.get(self._currency, ZERO) / len(self._bases)
        bought = sum((share * prices[symbol] / opening[symbol] for symbol in self._bases), ZERO)
        return bought + self._value({**self._started, self._currency: ZERO}, prices)
