"""Funding by hand: every eight hours, a share of the position's value at the mark."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.markets.source import funding_moments
from tests.contract.exchange import dec
from tests.failures import Failures
from tests.integration.futures.holder import SYMBOL, Holder
from utils import clock

HOURS = timedelta(hours=8)


@pytest.fixture(autouse=True)
def rate(holder: Holder) -> Iterator[None]:
    holder.exchange._market.set_funding_rate(SYMBOL, dec("0.0001"))
    yield
    holder.exchange._market.set_funding_rate(SYMBOL, dec(0))


def sleep_since(holder: Holder, moment: datetime) -> None:
    """Stop the engine, let it have been down since `moment`, and start it again."""
    host = holder.exchange._host
    host.stop()
    holder.pretend_funded_at(moment)
    host.start()
    assert host.run(host.engine.funding_clock.wake())
    host.run(host.engine.settle())


def last_moment() -> datetime:
    now = clock.now()
    return now.replace(hour=now.hour // 8 * 8, minute=0, second=0, microsecond=0)


def test_longs_pay_and_shorts_get(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    sleep_since(holder, last_moment() - timedelta(seconds=1))
    # 0.1 * 50,000 * 0.01 %
    assert holder.ledger() == [("fee", "-2.5"), ("funding", "-0.5")]
    assert (holder.position.funding, holder.wallet) == (dec("-0.5"), dec("9997"))
    assert holder.position.realized_pnl == dec("-2.5")
    holder.place("sell", amount="0.3")
    sleep_since(holder, last_moment() - timedelta(seconds=1))
    assert holder.ledger()[-1] == ("funding", "1")
    assert holder.position.funding == 1
    holder.agrees()


def test_what_was_due_while_the_engine_was_down_is_booked_once_for_every_time(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    sleep_since(holder, last_moment() - 2 * HOURS - timedelta(seconds=1))
    assert [kind for kind, _ in holder.ledger()] == ["fee", "funding", "funding", "funding"]
    assert holder.stored().funded_at == last_moment()
    for _ in range(3):
        holder.exchange.restart()
        holder.exchange._host.run(holder.exchange._host.engine.funding_clock.wake())
    assert holder.position.funding == dec("-1.5")
    holder.agrees()


def test_a_funding_that_was_not_stored_is_booked_later(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    host = holder.exchange._host
    host.stop()
    holder.pretend_funded_at(last_moment() - timedelta(seconds=1))
    failures = Failures()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.desk.funding.FundingClock.run", _never)
        host.start()
    failures.install(host.engine._journal)
    failures.left, failures.kind = 2, "away"
    assert not host.run(host.engine.funding_clock.wake()), "the clock knows that it has to try again"
    failures.left = 0
    while not host.run(host.engine.funding_clock.wake()):
        pass
    assert holder.ledger() == [("fee", "-2.5"), ("funding", "-0.5")]
    holder.agrees()


def test_a_position_opened_after_the_time_pays_nothing_for_it(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    holder.exchange._host.run(holder.exchange._host.engine.funding_clock.wake())
    assert holder.ledger() == [("fee", "-2.5")]


def test_what_is_due_is_booked_before_a_fill_changes_the_position(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    host = holder.exchange._host
    host.stop()
    holder.pretend_funded_at(last_moment() - timedelta(seconds=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.desk.funding.FundingClock.run", _never)
        host.start()
    holder.place("buy", amount="0.9")
    assert [kind for kind, _ in holder.ledger()] == ["fee", "funding", "fee"]
    assert holder.position.funding == dec("-0.5"), "of the position as it was then"
    holder.agrees()


async def _never(_clock: Any) -> None:
    """Stand for a funding clock that has not come to it yet."""


def test_funding_that_the_free_balance_cannot_pay_comes_from_the_margin(holder: Holder) -> None:
    holder.place("buy", amount="1.99")
    free = holder.free("USDT")
    assert free == dec("0.25")
    sleep_since(holder, last_moment() - timedelta(seconds=1))
    # 1.99 * 50,000 * 0.01 % = 9.95
    position = holder.position
    assert position.margin == 9_950 - (dec("9.95") - free)
    assert holder.free("USDT") == 0
    # 50,000 - (9,940.3 - 497.5) / 1.99 = 45,254.874…
    assert position.liquidation_price == dec("45254.9")
    holder.agrees()


def test_funding_never_takes_more_than_there_is(holder: Holder) -> None:
    holder.place("buy", amount="1.99")
    holder.exchange._market.set_funding_rate(SYMBOL, dec("0.5"))
    sleep_since(holder, last_moment() - timedelta(seconds=1))
    holder.exchange._host.tick()
    assert holder.positions == []
    assert holder.wallet == 0
    assert "insurance" in [kind for kind, _ in holder.ledger()]
    holder.agrees()


def test_funding_times_are_whole_intervals_of_the_day(holder: Holder) -> None:
    market = next(i for i in holder.bridge.instruments() if i.symbol == SYMBOL)
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    eight, sixteen = noon.replace(hour=8), noon.replace(hour=16)
    assert funding_moments(market, noon, noon + HOURS) == [sixteen]
    assert funding_moments(market, noon, sixteen) == [sixteen]
    assert funding_moments(market, sixteen, sixteen) == []
    assert funding_moments(market, eight - timedelta(seconds=1), sixteen) == [eight, sixteen]
