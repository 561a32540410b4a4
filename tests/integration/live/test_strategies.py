"""Strategies on live accounts: they take them as a whole, and nothing that the exchange does doubles an order."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import partial

import pytest
from flask import Flask

from app import create_app
from config import Settings
from engine.strategies import records
from engine.strategies.classes.dca import Dca
from engine.strategies.view import Place, View
from models import Database
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.faults import Fault
from tests.integration.live.house import KEYS, OWNER, House
from tests.integration.live.keys import foreign_keys, replace_keys
from tests.integration.live.strategist import LINES, Strategist
from tests.integration.strategies.killable import KillableEngine
from tests.problems import assert_problem

on_binance = pytest.mark.parametrize("exchange", [LoopbackBinance], ids=["binance"], indirect=True)


@pytest.fixture
def app(house: House, database: Database) -> Flask:
    return create_app(house.settings, bridge=house.bridge, database=database)


@pytest.fixture
def owner(house: House, app: Flask, database: Database) -> Strategist:
    """An owner whose account has no coins, so that the grid buys them."""
    house.exchange.book.withdraw(OWNER, "BTC", "1")
    house.until(lambda: house.total("BTC") == 0)
    house.quote("50000")
    return Strategist(app, database, house.user, house.account)


def _not_sent_once(house: House) -> list[tuple[str | None, str, str | None, int]]:
    """Return the orders that the exchange has not exactly once, though they were not rejected."""
    counts = [(order, len(house.there(order))) for order in house.orders() if order.status != "rejected"]
    return [(each.client_order_id, each.status, each.reject_code, count) for each, count in counts if count != 1]


def _has_bought(owner: Strategist, times: int) -> bool:
    return [row.status for row in owner.of("buy")] == ["filled"] * times


def test_the_life_of_a_grid(house: House, owner: Strategist) -> None:
    added = owner.add()
    assert (added["mode"], added["state"], added["funding"]) == ("live", "created", "0")
    assert added["account"] == added["parent"] == house.account
    manual = {"account": house.account, "symbol": "BTC/USDT", "side": "buy", "amount": "0.01", "price": "40000"}
    assert_problem(owner.send("POST", "trading/orders", manual), 409, "account_managed")
    owner.ok("POST", "strategies/grid/init")
    owner.ok("POST", "strategies/grid/start")
    house.until(owner.is_laid)
    assert len({row.client_order_id for row in owner.orders()}) == len(owner.orders()) == 7
    assert _not_sent_once(house) == []
    house.exchange.book.set_price("BTC/USDT", "49400")
    house.until(lambda: owner.of("down1")[-1].side == "sell")
    house.exchange.book.set_price("BTC/USDT", "50600")
    house.until(lambda: owner.of("up1")[-1].side == "buy" and owner.of("down1")[-1].side == "buy")
    house.until(owner.is_laid)
    assert owner.state() == "running"
    assert owner.ok("POST", "strategies/grid/stop")["state"] == "stopped"
    house.until(lambda: not owner.levels())
    assert _not_sent_once(house) == []
    house.until(lambda: house.disagreements() == [])
    owner.ok("POST", "strategies/grid/start")
    house.until(owner.is_laid)
    owner.ok("POST", "strategies/grid/stop")
    house.until(lambda: not owner.levels())
    owner.ok("DELETE", "strategies/grid/delete")
    assert owner.ok("GET", f"accounts/{house.account}")["kind"] == "extra"
    assert owner.ok("POST", "trading/orders", manual)["status"] == "accepted"
    house.until(lambda: house.disagreements() == [])


@on_binance
def test_only_an_account_with_nothing_else_on_it_is_taken(house: House, owner: Strategist) -> None:
    order = house.place()
    assert_problem(owner.send("POST", "strategies/", owner.wish()), 409, "orders_open")
    assert owner.ok("GET", f"accounts/{house.account}")["kind"] == "extra"
    house.cancel(order)
    assert_problem(owner.send("POST", "strategies/", owner.wish(funding="100")), 422, "whole_account")
    owner.add()
    assert_problem(owner.send("POST", "strategies/", owner.wish(name="other")), 409, "account_managed")
    assert_problem(owner.send("PATCH", "strategies/grid", {"funding": "5"}), 422, "whole_account")
    assert_problem(owner.send("DELETE", f"accounts/{house.account}"), 409, "account_managed")
    owner.ok("POST", "strategies/grid/init")
    house.place()  # as an order that was on its way when the strategy took the account
    assert_problem(owner.send("POST", "strategies/grid/start"), 409, "orders_open")
    assert owner.state() == "initialized"


@on_binance
def test_one_of_the_same_name_begins_anew_on_the_same_account(house: House, owner: Strategist) -> None:
    owner.running()
    house.until(owner.is_laid)
    owner.ok("POST", "strategies/grid/stop")
    owner.ok("DELETE", "strategies/grid/delete")
    house.until(lambda: not owner.levels())
    placed = len(owner.orders())
    owner.running()
    house.until(owner.is_laid)
    assert len(owner.orders()) == placed + len(LINES)  # the coins are there already
    house.until(lambda: house.disagreements() == [])


@on_binance
def test_one_that_is_named_after_candles_begins_anew_within_the_same_one(house: House, owner: Strategist) -> None:
    dca = {"strategy_class": "dca", "settings": {"timeframe": "1d", "every": 1000, "order_value": "500"}}
    for lives in (1, 2):
        owner.running(**dca)
        house.until(partial(_has_bought, owner, lives))
        owner.ok("POST", "strategies/grid/stop")
        owner.ok("POST", "strategies/grid/start")
        house.host.run(house.host.engine.strategies.settle())
        assert len(owner.of("buy")) == lives  # it goes on where it was
        owner.ok("POST", "strategies/grid/stop")
        owner.ok("DELETE", "strategies/grid/delete")
    assert _not_sent_once(house) == []
    house.until(lambda: house.disagreements() == [])


@on_binance
def test_an_order_from_before_names_told_lives_apart_is_not_placed_again(
    house: House, owner: Strategist, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def insist(_settings: Settings, view: View) -> Iterator[Place]:
        yield Place(level="buy", generation="0", side="buy", symbol=view.symbol, quote_amount=Decimal(500))
        asked.set()

    monkeypatch.setattr(Dca, "decide", staticmethod(insist))
    with monkeypatch.context() as before:
        before.setattr(records, "LIFE_LENGTH", -100)  # no digits at all
        owner.running(strategy_class="dca", settings={})
        house.until(lambda: _has_bought(owner, 1))
        house.close()
    asked.clear()
    house.start()
    assert asked.wait(30)
    house.host.run(house.host.engine.strategies.settle())
    assert [row.client_order_id for row in owner.of("buy")] == ["grid:buy:0"]
    assert owner.state() == "running"


@pytest.mark.parametrize(
    "faults",
    [
        [
            Fault("error", on="place", count=1),
            Fault("garbage", on="place", count=1),
            Fault("limit", on="place", count=1),
        ],
        [Fault("hang", on="place", count=1), Fault("late", on="place", seconds=0.3, count=1)],
    ],
    ids=["answers", "silence"],
)
@on_binance
def test_a_grid_is_laid_once_whatever_the_exchange_does(house: House, owner: Strategist, faults: list[Fault]) -> None:
    for fault in faults:
        house.exchange.faults.add(fault)
    owner.running()
    house.until(owner.is_laid)
    assert _not_sent_once(house) == []
    assert len([row for row in owner.of("coins") if row.filled]) == 1
    house.until(lambda: house.disagreements() == [])


@on_binance
def test_what_filled_while_no_engine_ran_is_followed(house: House, owner: Strategist) -> None:
    owner.running()
    house.until(owner.is_laid)
    house.close()
    house.exchange.book.set_price("BTC/USDT", "49400")
    house.start()
    house.quote("49400")
    house.until(lambda: owner.of("down1")[-1].side == "sell" and owner.is_laid())
    assert _not_sent_once(house) == []
    house.until(lambda: house.disagreements() == [])


@on_binance
def test_a_cancel_that_the_exchange_does_not_carry_out_is_waited_for(house: House, owner: Strategist) -> None:
    owner.running()
    house.until(owner.is_laid)
    house.exchange.faults.add(Fault("error", on="cancel", accept=False))
    owner.ok("PATCH", "strategies/grid", {"settings": {"spacing_percent": "2"}})
    house.until(lambda: "pending_cancel" in {row.status for row in owner.orders()})
    assert owner.state() == "running"
    house.exchange.faults.clear()
    house.until(lambda: owner.is_laid() and Decimal(owner.of("down1")[-1].price) == 49_000)
    assert _not_sent_once(house) == []


@on_binance
def test_an_order_that_it_does_not_know_ends_it(house: House, owner: Strategist) -> None:
    owner.running()
    house.until(owner.is_laid)
    house.place()  # as one that is adopted from the exchange after a restore
    house.exchange.book.set_price("BTC/USDT", "49400")
    house.until(lambda: owner.state() == ("error", "unknown_order"))
    house.until(lambda: not owner.levels())
    house.until(lambda: house.disagreements() == [])


@on_binance
def test_keys_of_another_account_end_it(house: House, owner: Strategist) -> None:
    owner.running()
    house.until(owner.is_laid)
    replace_keys(house, foreign_keys(house))
    owner.ok("PATCH", "strategies/grid", {"settings": {"spacing_percent": "2"}})
    house.until(lambda: owner.state() == ("error", "credential_other_account"))
    assert house.exchange.book.orders("somebody") == []
    replace_keys(house, KEYS)
    house.until(lambda: not owner.levels())
    house.until(lambda: house.disagreements() == [])


class ProcessHouse(House):
    """A house whose engine is a process of its own, on the exchange's own prices."""

    def __init__(self, settings: Settings, database: Database, exchange: LoopbackBinance) -> None:
        self._log = settings.data_dir / "engine.log"
        super().__init__(settings, database, exchange)

    def start(self) -> None:
        """Start the engine."""
        self.engine = KillableEngine(
            self.settings,
            self._log,
            EXCHANGES="demo,binance",
            EXCHANGE_URLS=f"binance={self.exchange.url}",
            LIVE_TRADING_ENABLED="true",
            MARKET_POLL_SECONDS="0.5",
        )

    def close(self) -> None:
        """Leave nothing behind."""
        self.engine.close()


def test_a_kill_in_the_midst_of_laying_a_grid(settings: Settings, database: Database) -> None:
    with LoopbackBinance() as exchange:
        house = ProcessHouse(settings, database, exchange)
        try:
            exchange.book.withdraw(OWNER, "BTC", "1")
            house.until(house.is_open)
            app = create_app(house.settings, bridge=house.engine.bridge, database=database)
            owner = Strategist(app, database, house.user, house.account)
            exchange.faults.add(Fault("stall", on="place", seconds=0.4, count=3))
            exchange.faults.add(Fault("hang", on="place"))  # and there it stays until it is killed
            owner.running()
            house.until(lambda: len(owner.orders()) >= 4)
            house.engine.kill()
            assert owner.levels() != Counter(LINES), "it was killed too late"
            exchange.faults.clear()
            house.until(owner.is_laid, 60)
            assert len(owner.of("coins")) == 1
            assert _not_sent_once(house) == []
            assert owner.state() == "running"
            house.until(lambda: house.disagreements() == [])
        finally:
            house.close()
