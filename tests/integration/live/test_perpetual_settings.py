"""What is settled with an exchange before perpetuals are traded there: leverage, margin and position mode."""

from __future__ import annotations

from decimal import Decimal

import pytest

from config import Settings
from models import Database
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.perpetual import default_perpetuals
from tests.integration.live.futures_house import PERPETUAL, FuturesHouse
from tests.integration.live.house import OWNER
from utils.errors import Conflict, Refused

D = Decimal


@pytest.fixture
def house(futures: FuturesHouse) -> FuturesHouse:
    return futures


def test_the_leverage_is_the_exchanges(house: FuturesHouse) -> None:
    for wrong in ("0.5", "126", "2.5"):
        with pytest.raises(Refused) as refused:
            house.leverage(wrong)
        assert refused.value.code == "invalid_leverage"
    assert house.leverage("50").leverage == 50
    assert house.book.leverage(OWNER, PERPETUAL) == 50
    house.market("buy", "0.1")
    with pytest.raises(Refused) as refused:
        house.leverage("10")
    assert refused.value.code == "leverage_not_reducible"
    assert house.leverage("100").leverage == 100
    house.agrees()


def test_cross_margin_and_hedge_mode_are_refused(house: FuturesHouse) -> None:
    house.book.trade(OWNER, PERPETUAL, "buy", "0.1")  # in cross margin, as it is at first
    house.agrees()
    with pytest.raises(Refused) as refused:
        house.market("buy", "0.1")
    assert refused.value.code == "margin_mode_not_isolated"
    assert house.orders() == []
    assert house.close_position().status == "filled"
    house.agrees()
    house.book.hedged.add(OWNER)
    with pytest.raises(Refused) as refused:
        house.market("buy", "0.1")
    assert refused.value.code == "hedge_mode_not_supported"
    house.agrees()


def test_an_account_in_hedge_mode_does_not_open(settings: Settings, database: Database) -> None:
    with LoopbackBinance(perpetuals=default_perpetuals()) as exchange:
        exchange.usdm.book.hedged.add(OWNER)
        house = FuturesHouse(settings, database, exchange)
        with pytest.raises(Conflict) as conflict:
            house.is_open()
        assert conflict.value.code == "hedge_mode_not_supported"
        assert house.ledger() == []
        exchange.usdm.book.hedged.clear()
        house.until(house.is_open)
        house.agrees()
        house.close()
