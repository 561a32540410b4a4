"""The same class on the same candles: a backtest, and the engine that trades on their replay, agree trade by trade."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.backtests.history import recording_of
from engine.backtests.play import play
from engine.backtests.run import Backtest
from engine.demo.recording import RecordingError
from engine.demo.replay import ReplayMarket
from engine.markets.source import MarketSource
from engine.strategies.thinking import StrategyFault
from tests.engine_host import EngineHost
from tests.integration.strategies.owner import Owner
from tests.unit.strategies.playground import recorded, write_recording
from utils import clock
from utils.backtests import Played
from utils.errors import Refused
from utils.octobot_bridge import OctoBotBridge

HISTORY, PLAYED, HOUR = 60, 60, 3_600
CANDLES = recorded("BTC/USDT", "1h", HISTORY + PLAYED)
TICKS = 24
"""Of a candle; among them the moments at which a backtest looks."""
STRATEGIES: dict[str, dict[str, Any]] = {
    "dca": {"timeframe": "1h", "every": 4, "order_value": "20"},
    "crossover": {"timeframe": "1h", "average": "sma", "fast": 3, "slow": 10},
    "rsi": {"timeframe": "1h", "period": 3, "oversold": 40, "overbought": 60},
    "grid": {"levels": 4, "spacing_percent": "0.2"},
}


@pytest.fixture
def market(tmp_path: Path) -> MarketSource:
    return ReplayMarket(write_recording(tmp_path / "BTC_USDT-1h.csv", CANDLES), 1.0, 0.0)


@pytest.fixture
def bridge(host: EngineHost, engine_bridge: OctoBotBridge) -> OctoBotBridge:
    stand(host, 0)
    return engine_bridge


@pytest.fixture
def ada(app: Any, client: Any, user: Any, host: EngineHost, market: Any, database: Any) -> Owner:
    return Owner(client, user, host, market, database)


def stand(host: EngineHost, at: float) -> None:
    """Let the recording stand at a moment, and everybody have acted on it."""
    host.engine.market._clock = lambda: at

    async def settle() -> None:
        await host.engine.market.tick()
        await host.engine.settle()
        while await host.engine.strategies.settle():
            await host.engine.settle()

    host.run(settle())


def backtest(strategy_class: str, settings: dict[str, Any], **fields: Any) -> Backtest:
    given = {"symbols": ["BTC/USDT"], "portfolio": {"USDT": Decimal(5_000)}, "fee": None, "past": HISTORY, **fields}
    return Backtest(strategy_class=strategy_class, settings=settings, **given)


def played(wanted: Backtest) -> Played:
    recordings = [recording_of(symbol, "1h", recorded(symbol, "1h", HISTORY + PLAYED)) for symbol in wanted.symbols]
    return asyncio.run(play(wanted, recordings, lambda _played, _of: None))


@pytest.mark.parametrize("strategy_class", STRATEGIES)
def test_the_backtest_and_the_replay_agree_trade_by_trade(ada: Owner, strategy_class: str) -> None:
    settings = STRATEGIES[strategy_class]
    ada.running("mine", strategy_class=strategy_class, portfolio_name="BTC/USDT", settings=settings, funding="5000")
    for tick in range(PLAYED * TICKS):
        stand(ada.host, tick * HOUR / TICKS)
    account = ada.get()["account"]
    query = {"account": account, "limit": "500"}
    answer = ada.client.get("/api/trading/trades", query_string=query, headers=ada.user.headers).get_json()["data"]
    names = {order["id"]: order["client_order_id"].partition(":")[2] for order in ada.orders()}
    live = sorted(
        (names[each["order_id"]], each["side"], *(Decimal(each[key]) for key in ("price", "amount", "cost")))
        for each in answer
    )
    result = played(backtest(strategy_class, settings))
    assert sorted((each.order, each.side, each.price, each.amount, each.cost) for each in result.trades) == live
    assert len(live) >= 5
    assert result.holdings == ada.balance(account)


def test_the_same_is_the_same_to_the_digit() -> None:
    wanted = backtest("index", {"timeframe": "1h", "threshold_percent": "0.1"}, symbols=["BTC/USDT", "ETH/USDT"])
    first, again = played(wanted), played(wanted)
    assert first == again
    assert {trade.symbol for trade in first.trades} == {"BTC/USDT", "ETH/USDT"}
    assert len(first.curve) == PLAYED + 1


def test_trades_bear_the_candles_time() -> None:
    result = played(backtest("dca", STRATEGIES["dca"]))
    begin = CANDLES[HISTORY].timestamp // 1000
    times = [int(trade.at.timestamp()) for trade in result.trades]
    assert times[0] == begin
    assert all((time - times[1]) % (4 * HOUR) == 0 for time in times[1:])
    assert len(times) == PLAYED // 4 + 1
    assert clock.now().year >= 2026  # the process has its own clock back


def test_a_fee_is_a_share_of_each_trade() -> None:
    result = played(backtest("dca", STRATEGIES["dca"], fee=Decimal("0.01")))
    assert all(trade.fee == trade.cost * Decimal("0.01") for trade in result.trades)


def test_coins_of_the_portfolio_are_there() -> None:
    portfolio = {"USDT": Decimal(1_000), "BTC": Decimal(1)}
    result = played(backtest("dca", STRATEGIES["dca"], portfolio=portfolio))
    assert result.holdings["BTC"] > 1
    assert result.curve[0].value == result.curve[0].held == 1_000 + CANDLES[HISTORY].open


def test_a_strategy_that_fails_says_why() -> None:
    with pytest.raises(StrategyFault) as caught:
        played(backtest("grid", {"levels": 4, "order_value": "4000"}))
    assert caught.value.code == "insufficient_funds"


def test_what_cannot_be_played_is_refused() -> None:
    with pytest.raises(Refused, match="Use one of"):
        played(backtest("perpetuum", {}))
    with pytest.raises(RecordingError):
        played(backtest("dca", {}, past=PLAYED + HISTORY))


def test_progress_ends_what_it_raises_in() -> None:
    def cancel(number: int, _of: int) -> None:
        if number == 3:
            raise KeyError("canceled")

    recordings = [recording_of("BTC/USDT", "1h", CANDLES)]
    with pytest.raises(KeyError):
        asyncio.run(play(backtest("dca", STRATEGIES["dca"]), recordings, cancel))
