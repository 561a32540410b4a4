"""The index of trigger prices: what it counts as an order."""

from __future__ import annotations

from decimal import Decimal

from engine.orders.triggers import Triggers


def test_a_position_is_no_open_order() -> None:
    triggers = Triggers()
    row = {"symbol": "BTC/USDT:USDT", "account_id": "ada", "amount": Decimal(1), "liquidation_price": Decimal(45_000)}
    triggers.guard("demo", row)
    assert triggers.lost("demo", "BTC/USDT:USDT", Decimal(45_000)) == {"ada": ["!BTC/USDT:USDT ada"]}
    assert (len(triggers), triggers.by_account()) == (0, {})
