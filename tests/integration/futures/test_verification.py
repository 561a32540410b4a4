"""Verification reckons what a futures account locks from SQL alone, and holds it against OctoBot."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import update

import models
from tests.books import differences
from tests.integration.futures.holder import SYMBOL, Holder


@pytest.fixture
def busy(holder: Holder) -> Holder:
    holder.place("buy", amount="0.1")
    holder.place("buy", "limit", amount="0.02", price=Decimal(40_000))
    holder.place("sell", "limit", amount="0.1", price=Decimal(60_000), reduce_only=True)
    # a market with the leverage that nobody chose
    holder.place("buy", "limit", symbol="ETH/USDT:USDT", amount="0.1", price=Decimal(1_000))
    return holder


def test_margins_of_positions_and_resting_limits_are_locked(busy: Holder) -> None:
    # 500 for the position, 80 + 0.4 and 20 + 0.05 for the limits with their fees, nothing for what only reduces
    assert busy.bridge.portfolio(busy.account).currencies["USDT"].locked == Decimal("600.45")
    assert differences(busy.exchange._database, busy.bridge) == []


@pytest.mark.parametrize("fault", [{"margin": Decimal(499)}, {"leverage": Decimal(20)}], ids=["margin", "leverage"])
def test_what_is_locked_otherwise_is_found(busy: Holder, fault: dict[str, Decimal]) -> None:
    mine = (models.Position.account_id == busy.account, models.Position.symbol == SYMBOL)
    with busy.exchange._database.write() as session:
        session.execute(update(models.Position).where(*mine).values(**fault))
    [found] = [words for words in differences(busy.exchange._database, busy.bridge) if busy.account in words]
    assert found.startswith(f"memory: USDT of account {busy.account}: ")
