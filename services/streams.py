"""Streams: what clients may follow, the same whichever way they ask for it."""

from __future__ import annotations

import re

from services.accounts.accounts import Accounts
from services.backtests.progress import BacktestProgress
from services.market import symbol_of, timeframe_of
from services.operations.logs import LEVELS
from services.principals import LOGS
from services.strategies.owners import StrategyOwners
from services.tournaments.rankings import Rankings
from utils.errors import FieldError, NotFound, Over, Refused
from utils.follow import (
    FollowAccounts,
    FollowBacktest,
    FollowCandles,
    FollowLogs,
    FollowPrices,
    FollowRanking,
    FollowStrategies,
    OpenSocket,
    SocketKind,
    Wish,
)
from utils.octobot_bridge import OctoBotBridge
from utils.wire import GetCandles

MAX_SYMBOLS = 100
SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9./:_-]{0,31}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9-]{1,64}")
_STRATEGY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
MAX_TEXT = 200

SOCKETS: dict[SocketKind, str] = {
    "market": "market:read",
    "account": "streams:read",
    "strategies": "strategies:read",
    "logs": LOGS,
}
"""What a caller must hold for each kind of WebSocket."""
WISHES: dict[type[Wish], str] = {
    FollowPrices: "market:read",
    FollowCandles: "market:read",
    FollowAccounts: "streams:read",
    FollowBacktest: "backtests:read",
    FollowStrategies: "strategies:read",
    FollowLogs: LOGS,
    FollowRanking: "tournaments:read",
}
"""The same for each thing that can be followed."""


def permission_for(wish: Wish | OpenSocket) -> str:
    """Return what a caller must hold for `wish`."""
    return SOCKETS[wish.kind] if isinstance(wish, OpenSocket) else WISHES[type(wish)]


class Streams:
    """Tell whether there is what somebody wants to follow, and whether it is theirs."""

    def __init__(
        self,
        bridge: OctoBotBridge,
        accounts: Accounts,
        rankings: Rankings,
        progress: BacktestProgress,
        owners: StrategyOwners,
    ) -> None:
        self._bridge = bridge
        self._accounts = accounts
        self._progress = progress
        self._owners = owners
        self._rankings = rankings

    def check(self, user_id: str, wish: Wish) -> None:
        """Let a user, who has the permission, follow `wish`, or refuse it.

        :raises NotFound: unknown exchange, symbol, account, backtest, strategy or tournament.
        :raises Refused: the exchange has no such candles.
        :raises Over: the backtest is, and the client has its last event. :raises EngineUnavailable: it cannot be told.
        """
        if isinstance(wish, FollowPrices):
            self._bridge.tickers(wish.exchange, wish.symbols)
        elif isinstance(wish, FollowCandles):
            self._bridge.candles(
                GetCandles(exchange=wish.exchange, symbol=wish.symbol, timeframe=wish.timeframe, limit=2)
            )
        elif isinstance(wish, FollowBacktest):
            step = self._progress.owned(user_id, wish.run)
            if step.is_last and wish.since_id == step.id:
                raise Over("The backtest is over.")
        elif isinstance(wish, FollowStrategies):
            if wish.strategy is not None:
                self._owners.check(user_id, wish.strategy)
        elif isinstance(wish, FollowRanking):
            self._rankings.check(user_id, wish.tournament)
        elif isinstance(wish, FollowAccounts) and wish.account is not None:
            self._accounts.check_owner(user_id, wish.account)


def price_wish(exchange: str, symbols: list[str] | None, since_id: int | None = None) -> FollowPrices:
    """Return the wish for prices. :raises Refused: a name is malformed, or there are too many."""
    if symbols is not None and len(symbols) > MAX_SYMBOLS:
        raise _refused("symbols", "too_many", f"Name at most {MAX_SYMBOLS} symbols.")
    named = None if symbols is None else list(dict.fromkeys(_symbol(each, "symbols") for each in symbols))
    return FollowPrices(exchange=_exchange(exchange), symbols=named, since_id=since_id)


def candle_wish(exchange: str, symbol: str, timeframe: str, since_id: int | None = None) -> FollowCandles:
    """Return the wish for candles. :raises Refused: a name is malformed, or there is no such time frame."""
    return FollowCandles(
        exchange=_exchange(exchange),
        symbol=_symbol(symbol, "symbol"),
        timeframe=timeframe_of(timeframe),
        since_id=since_id,
    )


def account_wish(account: str | None, since_id: int | None = None) -> FollowAccounts:
    """Return the wish for account events. :raises Refused: the id is malformed."""
    if account is not None and not _IDENTIFIER.fullmatch(account):
        raise _refused("account", "invalid", "This is no id of an account.")
    return FollowAccounts(account=account, since_id=since_id)


def strategy_wish(strategy: str | None, since_id: int | None = None) -> FollowStrategies:
    """Return the wish for what strategies do. :raises Refused: the name is malformed."""
    if strategy is not None and not _STRATEGY.fullmatch(strategy):
        raise _refused("strategy", "invalid", "This is no name of a strategy.")
    return FollowStrategies(strategy=strategy, since_id=since_id)


def log_wish(level: str | None, logger: str | None, search: str | None, since_id: int | None = None) -> FollowLogs:
    """Return the wish for the log. :raises Refused: a part is malformed, or `since_id` is given."""
    if level is not None and level not in LEVELS:
        raise _refused("level", "invalid_choice", f"Use one of {', '.join(LEVELS)}.")
    for field, text in (("logger", logger), ("search", search)):
        if text is not None and not 1 <= len(text) <= MAX_TEXT:
            raise _refused(field, "invalid", f"Use 1 to {MAX_TEXT} letters.")
    if since_id is not None:
        raise _refused("since_id", "not_resumable", "Read what was said before with GET /api/logs/.")
    return FollowLogs(level=level, logger=logger, search=search)


def backtest_wish(run_id: str, since_id: int | None = None) -> FollowBacktest:
    """Return the wish for a backtest's progress. :raises NotFound: this is no id."""
    if not _IDENTIFIER.fullmatch(run_id):
        raise NotFound("You have no such backtest.", code="backtest_not_found")
    return FollowBacktest(run=run_id, since_id=since_id)


def ranking_wish(tournament: str, since_id: int | None = None) -> FollowRanking:
    """Return the wish for a ranking. :raises Refused: the id is malformed."""
    if not _IDENTIFIER.fullmatch(tournament):
        raise _refused("tournament", "invalid", "This is no id of a tournament.")
    return FollowRanking(tournament=tournament, since_id=since_id)


def _symbol(text: str, field: str) -> str:
    if not SYMBOL.fullmatch(text.strip()):
        raise _refused(field, "invalid_symbol", "A symbol looks like BTC/USDT.")
    return symbol_of(text)


def _exchange(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise _refused("exchange", "invalid", "Use 1 to 32 letters, digits, dots, dashes and underscores.")
    return text


def _refused(field: str, code: str, message: str) -> Refused:
    return Refused(message, errors=(FieldError(field=field, code=code, message=message),))
