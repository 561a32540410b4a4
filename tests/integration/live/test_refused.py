"""An exchange that says no to a cancel, keys that are replaced, and what stays possible when live trading is off."""

from __future__ import annotations

import time
from dataclasses import replace as replaced
from decimal import Decimal
from typing import Any

import pytest

from tests.exchanges.faults import Fault
from tests.integration.live.house import KEYS, OWNER, PASSPHRASE, QUICK, House
from tests.integration.live.keys import foreign_keys, replace_keys
from utils import wire
from utils.credentials import ApiKeys
from utils.errors import Conflict, EngineUnavailable, Refused, TradingError


def _refuse_cancels(house: House, count: int | None) -> None:
    code = -2011 if house.exchange.name == "binance" else 400100
    house.exchange.faults.add(Fault("error", on="cancel", accept=False, status=400, code=code, count=count))


def _cancels(house: House) -> int:
    return sum(seen.group == "cancel" for seen in house.exchange.seen)


def test_a_cancel_that_is_refused_is_tried_until_it_works(opened: House) -> None:
    order = opened.place()
    opened.exchange.book.fill(opened.there(order)[0].id, "0.004")
    asked = _cancels(opened)
    _refuse_cancels(opened, 3)
    assert opened.cancel(order).status in {"pending_cancel", "canceled"}
    final = opened.final(order)
    assert (final.status, final.filled) == ("canceled", Decimal("0.004"))
    assert _cancels(opened) - asked >= 4
    assert opened.disagreements() == []


def test_a_cancel_that_is_refused_for_ever_stays_asked_for_and_hurts_nothing(
    opened: House, caplog: pytest.LogCaptureFixture
) -> None:
    order = opened.place()
    _refuse_cancels(opened, None)
    assert opened.cancel(order).status == "pending_cancel"
    opened.exchange.book.fill(opened.there(order)[0].id, "0.004")
    opened.until(lambda: opened.order(order).filled == Decimal("0.004"))
    asked = _cancels(opened)
    assert opened.order(order).status == "pending_cancel"
    assert opened.cancel(order).status == "pending_cancel"
    with pytest.raises(Conflict) as error:
        opened.edit(order, price="41000")
    assert error.value.code == "order_pending"
    assert opened.place(price="40001").status == "accepted"
    opened.until(lambda: _cancels(opened) > asked + 3)
    assert not [record for record in caplog.records if "a change of account" in record.message]
    opened.exchange.book.fill(opened.there(order)[0].id, "0.006")
    opened.until(lambda: opened.order(order).status == "filled")
    assert opened.disagreements() == []


def test_a_cancel_that_is_refused_for_ever_survives_a_restart(house: House) -> None:
    order = house.place()
    _refuse_cancels(house, None)
    house.cancel(order)
    house.restart()
    asked = _cancels(house)
    house.until(lambda: _cancels(house) > asked + 2)
    assert house.order(order).status == "pending_cancel"
    house.exchange.faults.clear()
    assert house.final(order).status == "canceled"


def test_an_edit_whose_cancel_is_refused_doubles_nothing(opened: House) -> None:
    order = opened.place()
    _refuse_cancels(opened, 8)
    with pytest.raises(TradingError):
        opened.edit(order, price="41000")
    opened.final(order)
    assert sum(each.status == "open" for each in opened.exchange.book.orders(OWNER)) <= 1
    assert opened.disagreements() == []


def test_keys_that_were_replaced_are_used_at_once(house: House) -> None:
    order = house.place()
    fresh = ApiKeys("another-api-key-of-the-owner", "another-secret-of-the-owner", PASSPHRASE)
    house.exchange.add_key(key=fresh.api_key, secret=fresh.api_secret, passphrase=PASSPHRASE, account=OWNER)
    house.exchange.keys.pop("the-api-key-of-the-owner")
    replace_keys(house, fresh, status="unverified")
    with pytest.raises(Conflict) as error:
        house.place(key="k", price="40001")
    assert error.value.code == "credential_not_verified"
    assert house.cancel(order).status == "canceled"  # what is open is looked after with them all the same
    replace_keys(house, fresh, status="verified")
    assert house.place(price="40001").status == "accepted"
    assert house.disagreements() == []


def _are_in_use(house: House, keys: ApiKeys) -> bool:
    return any(account.trader.client.apiKey == keys.api_key for account in house.host.engine._accounts.live())


def _ticked(house: House, price: str) -> None:
    """Let a price come and go, and orders that it sets off be sent."""
    house.quote(price)
    house.quote("50000")
    house.host.run(house.host.engine.desk.live.close())


def test_keys_of_another_account_at_the_exchange_end_nothing(house: House) -> None:
    order = house.place()
    foreign = foreign_keys(house)
    house.until(lambda: order.id not in house.uncertain())
    replace_keys(house, foreign, status="verified")
    with pytest.raises(Conflict) as error:
        house.place(price="40001")
    assert error.value.code == "credential_other_account"
    house.restart()
    time.sleep(QUICK.send + (QUICK.window or 0) + 2 * QUICK.lag)  # long enough for an order to count as absent
    assert house.order(order).status == "accepted"
    assert house.kinds().count("external") == 0
    replace_keys(house, KEYS, status="verified")
    house.until(lambda: house.cancel(order).status == "canceled")
    assert house.disagreements() == []


def test_a_cancel_does_not_go_to_another_account_at_the_exchange(house: House) -> None:
    order, stop = house.place(), house.place("sell", type="stop", price=None, stop_price="45000")
    replace_keys(house, foreign_keys(house), status="verified")
    everything = wire.CancelOrders(actor=wire.Actor(user_id=house.user), account=house.account)
    asked = _cancels(house)
    for cancel in (lambda: house.cancel(order), lambda: house.bridge.cancel_orders(everything)):
        with pytest.raises(Conflict) as error:
            cancel()
        assert error.value.code == "credential_other_account"
    assert house.order(order).status == "accepted"
    assert house.cancel(stop).status == "canceled"  # the exchange never knew of it
    assert _cancels(house) == asked
    replace_keys(house, KEYS, status="verified")
    assert house.cancel(order).status == "canceled"
    assert house.disagreements() == []


def test_a_kill_switch_waits_with_its_cancels_for_the_keys_of_the_account(house: House) -> None:
    order, foreign = house.place(), foreign_keys(house)
    replace_keys(house, foreign, status="verified")
    house.until(lambda: _are_in_use(house, foreign))  # until then a cancel may go out, with the account's own keys
    asked = _cancels(house)
    actor = wire.Actor(user_id=house.user)
    state = house.bridge.engage_kill_switch(
        wire.EngageKillSwitch(actor=actor, scope="account", target=house.account, account=house.account)
    )
    assert (state.canceled, state.open) == ([], [order.id])
    assert (house.order(order).status, _cancels(house)) == ("pending_cancel", asked)
    replace_keys(house, KEYS, status="verified")
    assert house.final(order).status == "canceled"
    assert house.disagreements() == []


@pytest.mark.parametrize("reopened", [False, True], ids=["in memory", "opened by the tick"])
def test_a_stop_does_not_go_to_another_account_at_the_exchange(house: House, reopened: bool) -> None:
    house.quote("50000")
    stop = house.place("sell", type="stop", price=None, stop_price="45000")
    foreign = foreign_keys(house)
    replace_keys(house, foreign, status="verified")
    if reopened:
        house.restart()
        assert house.account not in house.host.engine._accounts.in_memory()
    else:
        house.until(lambda: _are_in_use(house, foreign))
    _ticked(house, "45000")
    assert house.exchange.book.orders("somebody") == []
    assert (house.order(stop).status, house.order(stop).triggered_at) == ("accepted", None)
    replace_keys(house, KEYS, status="verified")
    _ticked(house, "45000")
    house.until(lambda: house.order(stop).status == "filled")
    assert house.exchange.book.orders("somebody") == []
    house.until(lambda: house.disagreements() == [])


def test_a_stop_waits_until_new_keys_are_verified(house: House) -> None:
    house.quote("50000")
    stop = house.place("sell", type="stop", price=None, stop_price="45000")
    replace_keys(house, KEYS, status="unverified")
    _ticked(house, "45000")
    assert (house.there(stop), house.order(stop).triggered_at) == ([], None)
    replace_keys(house, KEYS, status="verified")
    _ticked(house, "45000")
    house.until(lambda: house.order(stop).status == "filled")


def test_an_exit_does_not_go_to_another_account_at_the_exchange(house: House) -> None:
    legs: dict[str, Any] = {
        "take_profit": wire.ExitLeg(price=Decimal(52_000), stop_price=None),
        "stop_loss": wire.ExitLeg(stop_price=Decimal(35_000), price=None),
    }
    entry = house.place("buy", **legs)
    house.exchange.faults.add(Fault("limit", on="place", count=1, seconds=1.0))
    house.exchange.book.fill(house.there(entry)[0].id, "0.01")
    house.until(lambda: len([order for order in house.orders() if order.parent_id == entry.id]) == 2)
    foreign = foreign_keys(house)
    replace_keys(house, foreign, status="verified")
    house.until(lambda: _are_in_use(house, foreign))
    time.sleep(2.0)  # past the exchange's patience: the exit that waits would be sent again
    assert house.exchange.book.orders("somebody") == []
    replace_keys(house, KEYS, status="verified")
    take = next(order for order in house.orders() if order.parent_id == entry.id and order.type == "limit")
    house.until(lambda: len(house.there(take)) == 1)
    assert house.exchange.book.orders("somebody") == []


def test_an_order_whose_keys_are_replaced_before_it_is_sent_may_be_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign, desk = foreign_keys(house), house.host.engine.desk.live
    send = desk.send

    async def replaced_first(order: wire.Order) -> wire.Order:
        replace_keys(house, foreign, status="verified")
        (account,) = house.host.engine._accounts.live()
        await account.keys.renew(account.trader.client)
        return await send(order)

    monkeypatch.setattr(desk, "send", replaced_first)
    with pytest.raises(EngineUnavailable) as error:
        house.place(key="k")
    assert error.value.code == "credential_not_identified"
    monkeypatch.setattr(desk, "send", send)
    with pytest.raises(Conflict) as conflict:
        house.place(key="k")
    assert conflict.value.code == "credential_other_account"
    assert house.exchange.book.orders("somebody") == []
    assert [order.status for order in house.orders()] == ["rejected"]


def test_open_orders_are_followed_and_cancelled_while_live_trading_is_off(house: House) -> None:
    first, second = house.place(), house.place(price="40001")
    house.close()
    house.settings = replaced(house.settings, live_trading_enabled=False)
    house.start()
    with pytest.raises(Refused) as error:
        house.place()
    with pytest.raises(Refused) as edited:
        house.edit(first, price="41000")
    assert error.value.code == edited.value.code == "live_trading_disabled"
    assert house.bridge.portfolio(house.account).open_orders == 2
    house.exchange.book.fill(house.there(first)[0].id, "0.01")
    house.until(lambda: house.order(first).status == "filled")
    assert house.cancel(second).status == "canceled"
    assert house.disagreements() == []


def test_archiving_cancels_at_the_exchange_first(house: House) -> None:
    orders = [house.place(price=str(40_000 + number)) for number in range(3)]
    _refuse_cancels(house, None)
    archive = wire.ArchiveAccount(actor=wire.Actor(user_id=house.user), account=house.account)
    with pytest.raises(Conflict) as error:
        house.bridge.archive_account(archive)
    assert error.value.code == "orders_open"
    house.exchange.faults.clear()
    house.until(lambda: all(house.order(order).status == "canceled" for order in orders))
    assert house.bridge.archive_account(archive).status == "archived"
    with pytest.raises(Conflict) as error:
        house.place()
    assert error.value.code == "account_archived"
    assert house.disagreements() == []


def test_an_account_whose_order_is_unknown_is_not_archived(house: House) -> None:
    house.exchange.faults.add(Fault("late", on="place", seconds=6, count=1))
    order = house.place()
    archive = wire.ArchiveAccount(actor=wire.Actor(user_id=house.user), account=house.account)
    with pytest.raises(Conflict) as error:
        house.bridge.archive_account(archive)
    assert error.value.code == "orders_open"
    assert house.final(order).status == "canceled"
    assert house.exchange.book.orders(OWNER) == []
    assert house.bridge.archive_account(archive).status == "archived"
    assert house.disagreements() == []


def test_an_idle_account_leaves_the_memory_only_when_nothing_is_open(house: House) -> None:
    accounts = house.host.engine._accounts
    order = house.place()

    def close_all() -> int:
        time.sleep(0.05)
        return house.host.run(accounts.close_idle(idle_seconds=0.0, most=1000))

    assert close_all() == 0
    house.cancel(order)
    house.exchange.faults.add(Fault("hang", on="place", count=1))
    unknown = house.place()
    assert close_all() == 0
    house.final(unknown)
    house.cancel(unknown)
    house.until(lambda: close_all() == 1)
    house.exchange.book.deposit(OWNER, "USDT", "77")
    house.until(lambda: house.total("USDT") == 100_077)
    assert house.disagreements() == []
