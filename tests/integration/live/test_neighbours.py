"""Two live accounts at different exchanges, one of which is away; batches and previews of live accounts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from config import Settings
from models import Database
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.faults import Fault
from tests.exchanges.kucoin import LoopbackKucoin
from tests.integration.live.house import OWNER, House
from tests.integration.live.prices import SYMBOL, ExchangeMarket
from utils import wire
from utils.errors import TradingError

ROUNDS = 40
ATTEMPTS = 3
"""What is slowed down is slow each time; a machine that is busy for a moment is not."""


class Neighbours(House):
    """A house whose engine knows a second exchange."""

    def __init__(self, settings: Settings, database: Database, exchange: Any, second: Any) -> None:
        self.second = second
        super().__init__(settings, database, exchange)

    def start(self) -> None:
        """Start a new engine, with both exchanges."""
        first, second = self.exchange, self.second
        self.settings = replace(
            self.settings,
            exchanges=("demo", first.name, second.name),
            exchange_urls={first.name: first.url, second.name: second.url},
        )
        self.other_prices = [ExchangeMarket(second.name)]
        super().start()


@pytest.fixture
def neighbours(settings: Settings, database: Database) -> Iterator[Neighbours]:
    with LoopbackBinance() as exchange, LoopbackKucoin() as second:
        house = Neighbours(settings, database, exchange, second)
        house.until(house.is_open)
        yield house
        house.close()


def _p99(times: list[float]) -> float:
    return sorted(times)[-1 - len(times) // 100]


def test_an_exchange_that_is_away_slows_no_other_down(neighbours: Neighbours) -> None:
    house = neighbours
    others = house.more_accounts(12, at=house.second)

    def elsewhere(account: str) -> None:
        with suppress(TradingError):
            house.sent(account=account)

    def measure() -> float:
        times = []
        for number in range(ROUNDS):
            began = time.monotonic()
            order = house.place(price=str(40_000 + number))
            times.append(time.monotonic() - began)
            house.cancel(order)
        return _p99(times)

    def is_slowed_down() -> bool:
        """Tell whether orders, or the look for fills, are slow while the other exchange is away."""
        calm = measure()
        house.second.faults.add(Fault("hang", on="any"))
        threads = [threading.Thread(target=elsewhere, args=(account,)) for account in others]
        for thread in threads:
            thread.start()
        order = house.place(price="39000")
        began = time.monotonic()
        house.exchange.book.fill(house.there(order)[0].id, "0.01")
        house.until(lambda: house.order(order).status == "filled")
        looked = time.monotonic() - began
        storm = measure()
        for thread in threads:
            thread.join()
        house.second.faults.clear()
        return looked >= 1.5 or storm >= 2 * calm + 0.05

    for account in others:
        elsewhere(account)
    assert not all(is_slowed_down() for _ in range(ATTEMPTS))


def test_a_batch_on_a_live_account_answers_each_order(opened: House) -> None:
    def item(**fields: Any) -> wire.BatchItem:
        ticket = wire.OrderTicket(**{"symbol": SYMBOL, "side": "buy", "type": "limit", **fields})
        return wire.BatchItem(account=opened.account, ticket=ticket)

    good, dear = {"amount": Decimal("0.01"), "price": Decimal(40_000)}, {"amount": Decimal(5), "price": Decimal(40_000)}
    opened.exchange.faults.add(Fault("garbage", on="place", count=1))
    command = wire.PlaceOrders(
        actor=wire.Actor(user_id=opened.user),
        idempotency_key=f"batch {opened.account} {opened.exchange.name}",
        orders=[item(**good), item(**dear), item(type="stop", amount=Decimal("0.01"), stop_price=Decimal(60_000))],
    )
    bridge = opened.bridge.within(10)
    first = bridge.place_orders(command)
    codes = [placement.fault.code if placement.fault else None for placement in first]
    assert codes == [None, "insufficient_funds", None]
    sent, _, held = (placement.order for placement in first)
    assert sent is not None
    assert held is not None
    assert (sent.status, held.status) == ("unknown", "accepted")
    again = bridge.place_orders(command)
    assert [each.order.id if each.order else None for each in again] == [sent.id, None, held.id]
    assert opened.final(sent).status == "accepted"
    assert len([each for each in opened.exchange.book.orders(OWNER) if each.status == "open"]) == 1
    assert opened.disagreements() == []


def test_a_preview_of_a_live_order_sends_nothing(opened: House) -> None:
    seen = len(opened.exchange.book.orders(OWNER))
    ticket = wire.OrderTicket(symbol=SYMBOL, side="buy", type="limit", amount=Decimal("0.01"), price=Decimal(40_000))
    preview = opened.bridge.preview_order(wire.PreviewOrder(account=opened.account, ticket=ticket))
    assert (preview.ok, preview.cost) == (True, 400)
    assert len(opened.exchange.book.orders(OWNER)) == seen
    stop = msgspec.structs.replace(ticket, type="stop", price=None, stop_price=Decimal(60_000))
    preview = opened.bridge.preview_order(wire.PreviewOrder(account=opened.account, ticket=stop))
    assert (preview.ok, preview.cost) == (True, 600)
    assert len(opened.exchange.book.orders(OWNER)) == seen
