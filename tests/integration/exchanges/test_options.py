"""Option chains of exchanges: read through ccxt's own class from a stand-in of Bybit."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from config import Settings
from engine.exchanges.market import ExchangeMarket
from engine.exchanges.source import ExchangeSource
from tests.exchanges import bybit
from tests.exchanges.bybit import LoopbackBybit
from tests.exchanges.faults import Fault
from tests.exchanges.kucoin import LoopbackKucoin
from utils.errors import ExchangeUnavailable, NotFound
from utils.wire import GetOptionChain

BTC = "BTC/USDT"


@pytest.fixture
def exchange() -> Iterator[LoopbackBybit]:
    with LoopbackBybit() as exchange:
        yield exchange


@pytest.fixture
def settings(settings: Settings, exchange: LoopbackBybit) -> Settings:
    return replace(settings, exchanges=("demo", "bybit"), exchange_urls={"bybit": exchange.url})


@pytest.fixture
def market(settings: Settings) -> Iterator[ExchangeMarket]:
    market = ExchangeMarket(ExchangeSource("bybit", settings), 3.0)
    asyncio.run(market.tick())
    yield market
    asyncio.run(market.close())


def run[T](work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def ask(market: ExchangeMarket, **query: Any) -> Any:
    return run(market.option_chain(GetOptionChain(**{"exchange": "bybit", "symbol": BTC, **query})))


def test_a_chain_as_the_exchange_tells_it(exchange: LoopbackBybit, market: ExchangeMarket) -> None:
    exchange.book.set_price(BTC, "50100")
    chain = ask(market)
    assert (chain.symbol, chain.exchange, chain.stale) == (BTC, "bybit", False)
    assert [each.expiry.timestamp() * 1000 for each in chain.expiries] == bybit.expiries(exchange)
    for expiry in chain.expiries:
        assert expiry.underlying_price == 50_100
        assert [each.strike for each in expiry.strikes] == bybit.strikes(exchange.book.quotes[BTC])
    middle = chain.expiries[0].strikes[2]
    assert (middle.strike, middle.call.mark) == (50_000, Decimal(1102))
    assert (middle.call.bid, middle.call.ask, middle.call.last) == (1097, 1107, None)
    assert middle.call.implied_volatility == Decimal("0.5577")
    assert (middle.call.gamma, middle.call.vega) == (Decimal("0.00004131"), Decimal("69.08651675"))
    assert (middle.call.theta, middle.call.rho) == (Decimal("-24.9443226"), None)
    assert middle.call.open_interest == Decimal("19.67")
    assert middle.put.delta == middle.call.delta - 1
    assert middle.put.symbol.endswith("-50000-P")
    assert chain.expiries[0].strikes[0].call.bid is None, "zero stands for nobody"


def test_one_expiry_and_one_side(market: ExchangeMarket) -> None:
    whole = ask(market)
    day = whole.expiries[1].expiry.date().isoformat()
    chain = ask(market, kind="put", expiry=day)
    assert [each.expiry for each in chain.expiries] == [whole.expiries[1].expiry]
    assert [each.put for each in chain.expiries[0].strikes] == [each.put for each in whole.expiries[1].strikes]
    assert {each.call for each in chain.expiries[0].strikes} == {None}
    with pytest.raises(NotFound) as caught:
        ask(market, expiry="2020-01-03")
    assert caught.value.code == "unknown_expiry"


def test_the_same_chain_is_asked_for_once(exchange: LoopbackBybit, market: ExchangeMarket) -> None:
    async def many() -> None:
        query = GetOptionChain(exchange="bybit", symbol=BTC)
        await asyncio.gather(*(market.option_chain(query) for _ in range(50)))

    run(many())
    asked = [seen for seen in exchange.seen if seen.params.get("category") == "option"]
    assert len([seen for seen in asked if "tickers" in seen.path]) == 2, "prices and greeks"
    assert len([seen for seen in asked if "instruments" in seen.path]) == 3, "one for each underlying"


def test_currencies_without_options(market: ExchangeMarket) -> None:
    with pytest.raises(NotFound) as caught:
        ask(market, symbol="XRP/USDT")
    assert caught.value.code == "no_options"


def test_an_exchange_that_fails(exchange: LoopbackBybit, market: ExchangeMarket) -> None:
    exchange.faults.add(Fault("garbage", on="market"))
    with pytest.raises(ExchangeUnavailable):
        ask(market)
    exchange.faults.clear()
    assert ask(market).expiries


def test_exchanges_without_options(settings: Settings) -> None:
    with LoopbackKucoin() as kucoin:
        source = ExchangeSource("kucoin", replace(settings, exchange_urls={"kucoin": kucoin.url}))
        market = ExchangeMarket(source, 3.0)
        run(market.tick())
        before = len(kucoin.seen)
        with pytest.raises(NotFound) as caught:
            run(market.option_chain(GetOptionChain(exchange="kucoin", symbol=BTC)))
        assert caught.value.code == "no_options"
        assert len(kucoin.seen) == before
        run(market.close())
