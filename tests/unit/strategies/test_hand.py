"""What a strategy's log is told of orders that are refused."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from octobot_trading.enums import TraderOrderType

from engine.strategies.hand import DeskHand
from engine.strategies.view import Place
from utils.errors import Refused


class Written:
    """Stands for desk and store: takes every order, and keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def log(self, _record: Any, _level: str, message: str) -> None:
        self.said.append(message)

    async def place(self, _command: Any) -> Any:
        return SimpleNamespace(mode="paper")


def test_what_is_refused_again_and_again_is_told_once_until_an_order_is_placed() -> None:
    written = Written()
    record: Any = SimpleNamespace(user_id="u", account_id="a", name="mine")
    hand = DeskHand(record, desk=written, store=written)  # type: ignore[arg-type]
    buy = Place(level="buy", generation="1", side="buy", symbol="BTC/USDT", quote_amount=Decimal(20))
    placed = SimpleNamespace(
        order_type=TraderOrderType.BUY_MARKET, symbol="BTC/USDT", origin_quantity=Decimal(1), origin_price=None, tag="t"
    )

    def refuse(needed: str, code: str = "insufficient_funds") -> None:
        asyncio.run(hand.refused(buy, Refused(f"The order needs {needed} USDT.", code=code)))

    for needed in ("19.88", "19.89", "19.90"):
        refuse(needed)
    refuse("19.91", "below_minimum")
    refuse("19.92")
    asyncio.run(hand.create(placed))
    refuse("19.93")
    assert [said.partition("needs ")[2] for said in written.said] == ["19.88 USDT.", "19.91 USDT.", "19.93 USDT."]
