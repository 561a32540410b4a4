"""What clients can follow."""

from __future__ import annotations

from dataclasses import dataclass

from streaming.accounts import AccountFeed
from streaming.candles import CandleFeed
from streaming.prices import PriceFeed


@dataclass(frozen=True, kw_only=True)
class Feeds:
    """Every feed of one installation; prices by exchange."""

    prices: dict[str, PriceFeed]
    candles: CandleFeed
    accounts: AccountFeed

    def topics(self) -> dict[str, int]:
        """Return how many topics have subscribers, by channel."""
        prices = sum(len(feed.topics) + bool(feed.everything) for feed in self.prices.values())
        return {"prices": prices, "candles": len(self.candles.topics), "account": len(self.accounts.followings)}
