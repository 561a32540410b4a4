"""Verification holds live accounts against OctoBot's memory: totals and orders; what is locked the exchange reckons."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import update

import models
from tests.books import differences
from tests.integration.live.house import OWNER, House


def test_a_live_account_is_the_same_in_sql_and_in_memory(opened: House) -> None:
    opened.place("buy", type="market", amount="0.02")
    order = opened.place()
    opened.exchange.book.fill(opened.there(order)[0].id, "0.004")
    opened.until(lambda: opened.order(order).filled == Decimal("0.004"))
    assert differences(opened.database, opened.bridge) == []


def test_a_balance_and_an_order_that_differ_are_found(house: House) -> None:
    order = house.place()
    with house.database.write() as session:
        session.execute(update(models.Balance).where(models.Balance.currency == "BTC").values(total=Decimal(2)))
        session.execute(update(models.Order).values(price=Decimal(39_000)))
    found = differences(house.database, house.bridge)
    # the owner was told of what was there before
    assert found.pop().startswith("event: told ")
    assert {words.partition(" of ")[0] for words in found} == {
        "ledger: BTC",
        "memory: BTC",
        f"memory: order {order.id}",
    }
    assert [each.status for each in house.exchange.book.orders(OWNER)] == ["open"]
