"""Play a backtest: the engine that trades live, candle after candle, on a clock that waits for it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import models
from engine.backtests import stage
from engine.backtests.books import Books
from engine.backtests.history import HistoryMarket
from engine.backtests.run import Backtest
from engine.backtests.stage import Stage
from engine.demo.recording import Recording
from engine.engine import Engine
from engine.strategies import registry
from engine.strategies.thinking import StrategyFault
from models import Database
from utils import clock, wire
from utils.backtests import Played, PlayedTrade
from utils.money import ZERO

MOMENTS = (0.0, 1 / 3, 2 / 3, 0.99)
"""Of a candle, when its price stands at the opening, at both extremes in their order, and at the close."""
_STATE = "SELECT state, error, error_code FROM strategies WHERE account_id = ?"
Progress = Callable[[int, int], None]
"""Is told how many candles of how many were played; what it raises ends the backtest."""


async def play(backtest: Backtest, recordings: Sequence[Recording], progress: Progress) -> Played:
    """Return what comes of a strategy on recorded candles. The process's clock is theirs meanwhile.

    :raises RecordingError: there is nothing to play. :raises TradingError: the strategy failed.
    """
    market = HistoryMarket(recordings, backtest.past, backtest.fee, backtest.rules)
    with tempfile.TemporaryDirectory(prefix="backtest-") as directory:
        player = _Player(backtest, market, Path(directory))
        clock.go_by(player.now)
        try:
            return await player.play(progress)
        finally:
            clock.go_by(None)


class _Player:
    """One backtest on the way."""

    def __init__(self, backtest: Backtest, market: HistoryMarket, directory: Path) -> None:
        self._backtest = backtest
        self._market = market
        self._settings = stage.settings(directory)
        stage.prepare(directory)
        self._database = Database(self._settings.database_url)
        self._at: float = market.begins
        self._currency = market.instruments()[0].quote

    def now(self) -> datetime:
        """Return the candles' time."""
        return datetime.fromtimestamp(self._at, UTC)

    async def play(self, progress: Progress) -> Played:
        """Play every candle, and tell what came of it."""
        kind = registry.kind_of(self._backtest.strategy_class)
        registry.read(kind, self._backtest.settings, self._backtest.symbols)
        set_up = stage.set_up(self._database, self._backtest, self._currency)
        engine = Engine(self._settings, self._market, time_source=lambda: self._at)
        await engine.start(ticking=False)
        try:
            await self._begin(engine, set_up)
            await self._play_candles(engine, set_up.account, progress)
            return self._told(set_up)
        finally:
            await engine.stop()
            self._database.close()

    async def _begin(self, engine: Engine, set_up: Stage) -> None:
        """Fund the strategy, pay in the rest of the portfolio, and let it trade."""
        actor = wire.Actor(user_id=set_up.user)
        await engine.strategies.move(wire.MoveStrategy(actor=actor, account=set_up.account, action="init"))
        for currency, amount in self._backtest.portfolio.items():
            if currency != self._currency and amount > 0:
                deposit = wire.DepositFunds(actor=actor, account=set_up.account, currency=currency, amount=amount)
                await engine.account_changes.deposit(deposit)
        await engine.strategies.move(wire.MoveStrategy(actor=actor, account=set_up.account, action="start"))
        await _settle(engine)

    async def _play_candles(self, engine: Engine, account: str, progress: Progress) -> None:
        market = self._market
        total = market.count - market.past
        for number in range(total):
            opening = market.begins + number * market.frame
            for moment in MOMENTS:
                if number or moment:  # at the first one it was started
                    self._at = opening + moment * market.frame
                    await engine.market.tick()
                    await _settle(engine)
            if not engine.strategies.runs(account):
                raise self._fault(account)
            progress(number + 1, total)

    def _fault(self, account: str) -> StrategyFault:
        """Return why the strategy does not run any more."""
        with self._database.read() as connection:
            row = connection.exec_driver_sql(_STATE, (account,)).one()
        return StrategyFault(row.error, code=row.error_code)

    def _told(self, set_up: Stage) -> Played:
        with self._database.write() as session:
            trade, order = models.Trade, models.Order
            found = session.query(trade, order.client_order_id).join(order, order.id == trade.order_id)
            rows = found.filter(trade.account_id == set_up.account).order_by(trade.created_at, trade.id).all()
            log = session.query(models.StrategyLogEntry).order_by(models.StrategyLogEntry.id).all()
            balances = session.query(models.Balance).filter_by(account_id=set_up.account).all()
            holdings = {each.currency: each.total for each in balances}
        trades = [
            PlayedTrade(
                at=row.created_at,
                order=name.partition(":")[2],
                symbol=row.symbol,
                side=row.side,  # type: ignore[arg-type]
                price=row.price,
                amount=row.amount,
                cost=row.cost,
                fee=row.fee_cost or ZERO,
                realized_pnl=row.realized_pnl,
            )
            for row, name in rows
        ]
        books = Books(self._currency, self._backtest.portfolio, self._market)
        return Played(
            currency=self._currency,
            candles=self._market.count - self._market.past,
            trades=trades,
            curve=books.curve(trades),
            holdings=books.checked(holdings),
            log=[f"{entry.level}: {entry.message}" for entry in log],
        )


async def _settle(engine: Engine) -> None:
    """Wait until all that a tick set off is committed, and nobody has anything to decide."""
    await engine.settle()
    while await engine.strategies.settle():
        await engine.settle()
