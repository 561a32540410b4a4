"""The demo exchange under the real OctoBot: one `ExchangeManager`, built as an account is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import octobot_trading.api as trading_api
import octobot_trading.enums as trading_enums
import octobot_trading.errors as trading_errors
import pytest
from octobot_commons.enums import TimeFrames
from octobot_trading import personal_data

from engine.demo import exchange
from engine.demo.generator import DemoMarket
from engine.demo.replay import ReplayMarket
from engine.markets.source import MarketSource

NOW = 1_763_612_345.5
BTC = "BTC/USDT"
MARKET = DemoMarket(7, NOW)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail on any look-up of a name or connection to another machine."""
    attempts: list[object] = []

    def refuse(*args: object, **_: object) -> None:
        attempts.append(args)
        raise OSError(f"the demo exchange went to the network: {args}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
    assert attempts == []


def configuration(symbols: tuple[str, ...]) -> dict[str, Any]:
    pairs: dict[str, list[str]] = {}
    for symbol in symbols:
        pairs.setdefault(symbol.split("/", maxsplit=1)[0], []).append(symbol)
    return {
        "crypto-currencies": {base: {"pairs": listed, "enabled": True} for base, listed in pairs.items()},
        "exchanges": {"demo": {"enabled": True, "exchange-type": "spot"}},
        "trading": {"reference-market": "USDT", "risk": 0.5},
        "trader": {"enabled": False, "load-trade-history": False},
        "trader-simulator": {
            "enabled": True,
            "fees": {"maker": 0.1, "taker": 0.1},
            "starting-portfolio": {"USDT": 10_000},
        },
        "time_frame": [TimeFrames.ONE_HOUR],
        "required_candles_count": 200,
    }


def with_account(check: Callable[[Any], Awaitable[None]], source: MarketSource = MARKET, clock: float = NOW) -> None:
    """Run `check` with an exchange manager that trades all markets of `source`, its clock standing at `clock`."""

    async def run() -> None:
        builder = trading_api.create_exchange_builder(configuration(source.symbols), "demo")
        builder.is_simulated().is_rest_only().disable_trading_mode().enable_storage(False).is_spot_only(True)
        manager = await builder.build()
        try:
            await check(manager)
        finally:
            await trading_api.stop_exchange(manager)

    exchange.register(source, lambda: clock)
    asyncio.run(run())


def test_octobot_reads_the_market() -> None:
    async def check(manager: Any) -> None:
        assert type(manager.exchange) is exchange.DemoExchange
        assert set(manager.client_symbols) == set(MARKET.symbols)
        ticker = await manager.exchange.get_price_ticker(BTC)
        expected = MARKET.ticker(BTC, NOW)
        assert [Decimal(str(ticker[name])) for name in ("last", "bid", "ask", "high", "low", "baseVolume")] == [
            expected.last,
            expected.bid,
            expected.ask,
            expected.high,
            expected.low,
            expected.volume,
        ]
        assert set(await manager.exchange.get_all_currencies_price_ticker()) == set(MARKET.symbols)
        candles = await manager.exchange.get_symbol_prices(BTC, TimeFrames.ONE_HOUR, limit=200)
        wanted = MARKET.candles(BTC, "1h", limit=200, at=NOW)
        assert [[Decimal(str(value)) for value in candle] for candle in candles] == [
            [c.timestamp // 1000, c.open, c.high, c.low, c.close, c.volume] for c in wanted
        ]
        book = await manager.exchange.get_order_book(BTC, limit=5)
        assert [Decimal(str(price)) for price, _ in book["bids"]] == [
            level.price for level in MARKET.order_book(BTC, 5, NOW).bids
        ]
        trades = await manager.exchange.get_recent_trades(BTC, limit=50)
        assert [Decimal(str(trade["price"])) for trade in trades] == [t.price for t in MARKET.trades(BTC, 50, NOW)]

    with_account(check)


@pytest.mark.parametrize("instrument", MARKET.instruments(), ids=lambda instrument: str(instrument.symbol))
def test_octobot_knows_the_rules_exactly(instrument: Any) -> None:
    async def check(manager: Any) -> None:
        status = manager.exchange.get_market_status(instrument.symbol, with_fixer=False)
        digits = {name: Decimal(1).scaleb(-int(status["precision"][name])) for name in ("price", "amount")}
        assert digits == {"price": instrument.price_tick, "amount": instrument.amount_step}
        limits = status["limits"]
        assert Decimal(str(limits["amount"]["min"])) == instrument.min_amount
        assert Decimal(str(limits["amount"]["max"])) == instrument.max_amount
        assert Decimal(str(limits["cost"]["min"])) == instrument.min_cost

    with_account(check)


def test_fees_are_exact_and_shaped_like_the_connectors() -> None:
    amount, price = Decimal("0.12345678901234567"), Decimal("67890.123456789")

    async def check(manager: Any) -> None:
        for kind, role in (("BUY_MARKET", "taker"), ("SELL_LIMIT", "maker")):
            order_type = trading_enums.TraderOrderType[kind]
            ours = manager.exchange.get_trade_fee(BTC, order_type, amount, price, role)
            theirs = manager.exchange.connector.get_trade_fee(BTC, order_type, amount, price, role)
            assert ours["cost"] == amount * price / 1000
            assert ours["cost"] != theirs["cost"], "OctoBot's own fee is exact by now: use it"
            assert ours["cost"].quantize(Decimal("1e-12")) == theirs["cost"].quantize(Decimal("1e-12"))
            assert {**ours, "cost": 0, "rate": float(ours["rate"])} == {**theirs, "cost": 0}

    with_account(check)


def test_a_market_order_pays_price_and_fee_to_the_last_digit() -> None:
    async def check(manager: Any) -> None:
        price, amount = MARKET.quote(BTC, NOW).price, Decimal("0.01234")
        order = personal_data.create_order_instance(
            trader=manager.trader,
            order_type=trading_enums.TraderOrderType.BUY_MARKET,
            symbol=BTC,
            current_price=price,
            quantity=amount,
            price=price,
        )
        await manager.trader.create_order(order, raise_all_creation_error=True)
        for _ in range(100):
            if order.is_filled():
                break
            await asyncio.sleep(0.01)
        portfolio = trading_api.get_portfolio(manager)
        assert portfolio["BTC"].total == amount
        assert portfolio["USDT"].total == 10_000 - amount * price * Decimal("1.001")

    with_account(check)


def test_another_source_brings_its_own_markets(tmp_path: Path) -> None:
    path = tmp_path / "PEPE_USDT-1m.csv"
    rows = [f"{1_763_600_040 + 60 * i},0.001,0.003,0.001,0.002,5000" for i in range(4)]
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]), encoding="utf-8")
    replay = ReplayMarket(path, 60.0, NOW)

    async def check(manager: Any) -> None:
        assert set(manager.client_symbols) == {"PEPE/USDT"}
        ticker = await manager.exchange.get_price_ticker("PEPE/USDT")
        assert Decimal(str(ticker["last"])) == replay.quote("PEPE/USDT", NOW + 0.5).price

    async def check_before(manager: Any) -> None:
        assert set(manager.client_symbols) == set(MARKET.symbols)

    with_account(check_before)
    with_account(check, replay, NOW + 0.5)


def test_what_is_not_there_is_said_in_ccxts_words() -> None:
    async def check(manager: Any) -> None:
        client = manager.exchange.connector.client
        with pytest.raises(ccxt.BadSymbol):
            await client.fetch_ticker("XXX/USDT")
        with pytest.raises(ccxt.BadRequest):
            await client.fetch_ohlcv(BTC, "7m")
        with pytest.raises(trading_errors.FailedRequest):
            await manager.exchange.get_price_ticker("XXX/USDT")

    with_account(check)
