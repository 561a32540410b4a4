"""The life of a strategy: from state to state, its money, and what of it survives."""

from __future__ import annotations

from decimal import Decimal

from tests.integration.strategies.owner import Owner, eventually


def test_a_grid_lives(ada: Owner) -> None:
    added = ada.add()
    assert (added["state"], added["mode"], added["exchange"]) == ("created", "paper", "demo")
    assert ada.ok("POST", "mine/init")["state"] == "initialized"
    assert ada.balance(added["account"]) == {"USDT": Decimal(5_000)}
    assert ada.balance() == {"USDT": Decimal(5_000)}
    assert ada.ok("POST", "mine/start")["state"] == "running"
    eventually(lambda: len(ada.orders(status="open")) == 6)
    assert ada.open_names() == [f"mine:{side}{line}:1-0" for side in ("down", "up") for line in (1, 2, 3)]
    ada.price(49_400)
    eventually(lambda: "mine:down1:1-1" in ada.open_names())
    ada.price(50_600)
    eventually(lambda: {"mine:down1:1-2", "mine:up1:1-1"} <= set(ada.open_names()))
    assert len(ada.open_names()) == 6
    assert not ada.differences()
    assert ada.ok("POST", "mine/stop")["state"] == "stopped"
    assert ada.orders(status="open") == []
    assert ada.balance(added["account"]) == {}
    assert set(ada.balance()) == {"USDT", "BTC"}
    assert not ada.differences()
