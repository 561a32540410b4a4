from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.contract.exchange import Exchange, FakeExchange, Trader

IMPLEMENTATIONS: dict[str, Callable[[], Exchange]] = {"fake": FakeExchange}
"""Everything that claims to be the port; each one passes every test of this folder."""


@pytest.fixture(scope="session", params=list(IMPLEMENTATIONS))
def exchange(request: pytest.FixtureRequest) -> Iterator[Exchange]:
    exchange = IMPLEMENTATIONS[request.param]()
    yield exchange
    exchange.close()


@pytest.fixture
def trader(exchange: Exchange) -> Trader:
    """A fresh account while BTC/USDT stands at 50,000."""
    user, account = exchange.new_account()
    trader = Trader(exchange, user, account)
    trader.set_price(50_000)
    return trader


@pytest.fixture
def holder(trader: Trader) -> Trader:
    """A trader who has bought 0.1 BTC at 50,000."""
    trader.place("buy", "market", amount="0.1")
    return trader
