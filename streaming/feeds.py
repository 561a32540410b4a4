"""All sources of events that clients can follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streaming.accounts import AccountFeed
from streaming.backtests import BacktestFeed
from streaming.candles import CandleFeed
from streaming.logs import LogFeed
from streaming.prices import PriceFeed
from streaming.rankings import RankingFeed
from streaming.strategies import Names


@dataclass(frozen=True, kw_only=True)
class Feeds:
    """Every feed of one installation; prices by exchange."""

    prices: dict[str, PriceFeed]
    candles: CandleFeed
    accounts: AccountFeed
    backtests: BacktestFeed
    logs: LogFeed
    strategies: Names
    """Tells which accounts are strategies'."""
    rankings: RankingFeed
    follow: Callable[[str], None]
    """Begin to follow an exchange."""

    def prices_of(self, exchange: str) -> PriceFeed:
        """Return the prices of an exchange, which may have been connected a moment ago."""
        if exchange not in self.prices:
            self.follow(exchange)
        return self.prices[exchange]

    def topics(self) -> dict[str, int]:
        """Return how many topics have subscribers, by channel."""
        prices = sum(len(feed.topics) + bool(feed.everything) for feed in self.prices.values())
        return {
            "prices": prices,
            "candles": len(self.candles.topics),
            "account": len(self.accounts.followings),
            "backtests": len(self.backtests.followings),
            "logs": len(self.logs.followings),
            "rankings": len(self.rankings.topics),
        }
