"""Make the `Following` that a client asks for."""

from __future__ import annotations

from collections.abc import Sequence

from streaming import candles
from streaming.accounts import AccountFollowing
from streaming.backtests import BacktestFollowing
from streaming.candles import CandleFollowing
from streaming.client import Client, Following
from streaming.feeds import Feeds
from streaming.logs import LogFollowing
from streaming.prices import PriceFollowing
from streaming.rankings import RankingFollowing
from streaming.strategies import StrategyFollowing
from utils.follow import (
    FollowAccounts,
    FollowBacktest,
    FollowCandles,
    FollowLogs,
    FollowPrices,
    FollowRanking,
    FollowStrategies,
    Wish,
)

Key = tuple[str, ...]


def check_share(feeds: Feeds, client: Client, wishes: Sequence[Wish]) -> None:
    """Let `client` follow all this. :raises TooMany: `too_many_candles` when it is more than a user may follow."""
    named = {_candle(wish) for wish in wishes if isinstance(wish, FollowCandles)}
    if named:
        feeds.candles.check_share(client.caller.user_id, named)


def prepare(feeds: Feeds, wishes: Sequence[Wish]) -> None:
    """Miss nothing of `wishes` that happens from now on, before their client is told that it follows them."""
    if any(isinstance(wish, FollowLogs) for wish in wishes):
        feeds.logs.open()


def make(feeds: Feeds, client: Client, wish: Wish) -> Following:
    """Return what `client` follows, as far as it has come."""
    following: Following
    match wish:
        case FollowPrices():
            following = PriceFollowing(feeds.prices_of(wish.exchange), client, markets(wish), wish.since_id)
        case FollowCandles():
            feeds.prices_of(wish.exchange)  # they tell which candles have moved
            following = CandleFollowing(feeds.candles, client, _candle(wish), wish.since_id)
        case FollowAccounts():
            following = AccountFollowing(feeds.accounts, client, wish.account, wish.since_id)
        case FollowStrategies():
            following = StrategyFollowing(feeds.accounts, feeds.strategies, client, wish.strategy, wish.since_id)
        case FollowBacktest():
            following = BacktestFollowing(feeds.backtests, client, wish.run, wish.since_id)
        case FollowLogs():
            following = LogFollowing(feeds.logs, client, wish)
        case FollowRanking():
            following = RankingFollowing(feeds.rankings, client, wish.tournament, wish.since_id)
    return following


def key_of(wish: Wish) -> Key:
    """Return what tells this wish from the others of one client; the channel comes first."""
    if isinstance(wish, FollowPrices):
        return ("prices", wish.exchange)
    if isinstance(wish, FollowCandles):
        return ("candles", wish.exchange, wish.symbol, wish.timeframe)
    if isinstance(wish, FollowBacktest):
        return ("backtests", wish.run)
    if isinstance(wish, FollowStrategies):
        return ("strategies",)
    if isinstance(wish, FollowLogs):
        return ("logs",)
    return ("ranking", wish.tournament) if isinstance(wish, FollowRanking) else ("account",)


def markets(wish: FollowPrices) -> frozenset[str] | None:
    """Return the markets that are meant; None means all."""
    return None if wish.symbols is None else frozenset(wish.symbols)


def _candle(wish: FollowCandles) -> candles.Key:
    return (wish.exchange, wish.symbol, wish.timeframe)
