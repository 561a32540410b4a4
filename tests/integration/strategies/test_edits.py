"""Settings that change, of strategies that run and of others."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.integration.strategies.owner import GRID, Owner, eventually
from tests.problems import assert_problem


def test_a_running_grid_takes_other_settings_without_doubling_an_order(ada: Owner) -> None:
    ada.running()
    eventually(lambda: len(ada.open_names()) == 6)
    changed = ada.ok("PATCH", "mine", settings={"levels": 2})
    assert changed["settings"] == {**GRID, "levels": 2}
    assert changed["state"] == "running"
    wanted = [f"mine:{side}{line}:2-0" for side in ("down", "up") for line in (1, 2)]
    eventually(lambda: ada.open_names() == wanted, ada.story)
    # the coins of the third line were sold
    assert [order["side"] for order in ada.orders() if order["client_order_id"] == "mine:coins:2-0"] == ["sell"]
    assert not ada.differences()


def test_many_edits_in_a_row_leave_one_grid(ada: Owner) -> None:
    ada.running(settings={**GRID, "levels": 8, "order_value": "50"})
    for levels in (3, 9, 5):
        ada.ok("PATCH", "mine", settings={"levels": levels})
    wanted = sorted(f"mine:{side}{line}:4-0" for side in ("down", "up") for line in range(1, 6))
    eventually(lambda: ada.open_names() == wanted, ada.story)
    assert not ada.differences()


@pytest.mark.parametrize("wrong", [{"levels": 51}, {"other": 1}, {"spacing_percent": "40"}])
def test_what_does_not_fit_changes_nothing(ada: Owner, wrong: dict[str, object]) -> None:
    ada.running()
    eventually(lambda: len(ada.open_names()) == 6)
    before = ada.get()
    assert_problem(ada.send("PATCH", "mine", settings={"levels": 4, **wrong}), 422, "invalid_settings")
    assert ada.get() == before
    assert len(ada.open_names()) == 6


def test_others_are_edited_too_but_removed_ones(ada: Owner) -> None:
    ada.add()
    changed = ada.ok("PATCH", "mine", setting={"levels": 7}, funding="50")
    assert (changed["settings"]["levels"], changed["funding"], changed["state"]) == (7, "50", "created")
    ada.ok("POST", "mine/init")
    assert ada.balance() == {"USDT": Decimal(9_950)}
    assert_problem(ada.send("PATCH", "mine"), 422, "validation_failed")
    ada.ok("DELETE", "mine/remove")
    assert_problem(ada.send("PATCH", "mine", settings={"levels": 1}), 409, "strategy_removed")
