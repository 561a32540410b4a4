"""What the owner of a live account is told of balances."""

from __future__ import annotations

from decimal import Decimal
from unittest.mock import Mock

import msgspec

from engine.journal.unit import Line, Unit
from engine.live.booking import LiveBooking


def test_a_fee_in_a_third_currency_is_told_with_the_fill() -> None:
    octobot = Mock(total=lambda _: Decimal(5), free=lambda _: Decimal(4))
    booking = LiveBooking(octobot, Mock(), Mock(), {})

    def told(moved: str | None) -> list[str]:
        unit = Unit(Line("account", "user"))
        if moved is not None:
            booking._move(moved, Decimal("-0.1"), "fee", unit)
        booking.tell(["USDT", "BTC"], unit)
        return list(msgspec.json.decode(unit.events[-1]["payload"])["currencies"])

    assert told("BNB") == ["USDT", "BTC", "BNB"]
    assert told("BTC") == told(None) == ["USDT", "BTC"]
