"""Installed trading modes as classes: found, asked for their settings, and when one that buys by the clock is due."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.strategies.foreign import catalogue, exchange
from engine.strategies.foreign.catalogue import Catalogue
from engine.strategies.foreign.line import Line
from engine.strategies.foreign.octobot import left_of_period
from tests.integration.strategies.peg import SCHEMA, install_peg
from utils.errors import EngineTimeout, Overloaded, Refused
from utils.home import Home
from utils.home.schemas import FILE, fingerprint, keep
from utils.money import ZERO
from utils.wire import Assignment, Order

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "octobot")
    install_peg(home)
    return home


def test_whoever_comes_before_tentacles_were_asked_comes_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "RECENT_SECONDS", 0.0)
    (home.root / FILE).unlink()  # as if nobody had ever asked

    async def look() -> None:
        known = Catalogue(home, frozenset())
        assert await known.all() == {}
        with pytest.raises(Overloaded, match="being asked"):
            await known.find("PegTradingMode")
        code = fingerprint(home)
        assert code is not None
        keep(home, code, {})
        found = await known.find("PegTradingMode")
        assert found is not None
        assert found.schema == SCHEMA
        assert await known.find("Nothing") is None

    asyncio.run(look())


def test_a_class_of_ours_keeps_its_name(home: Home) -> None:
    assert asyncio.run(Catalogue(home, frozenset({"pegtradingmode"})).all()) == {}


def test_a_home_without_tentacles_is_left_alone(tmp_path: Path) -> None:
    assert asyncio.run(Catalogue(Home(tmp_path / "none"), frozenset()).all()) == {}
    assert not (tmp_path / "none").exists()


def test_decimals_that_came_as_text_are_numbers_again(home: Home) -> None:
    peg = asyncio.run(Catalogue(home, frozenset()).all())["PegTradingMode"]
    read = peg.read({"buy_price": "0.05", "sell_price": "3", "amount": 2})
    assert read == {"breaks": "never", "amount": 2, "buy_price": 0.05, "sell_price": 3}
    for price in ("high", "nan", "inf", "1e999999999", "9" * 4301):
        with pytest.raises(Refused) as refused:
            peg.read({"buy_price": price, "sell_price": 1})
        assert refused.value.code == "invalid_settings"


@pytest.mark.parametrize(
    ("settings", "minutes_ago", "left"),
    [
        ({"minutes_before_next_buy": 60}, None, 0.0),
        ({"minutes_before_next_buy": 60}, 20, 2400.0),
        ({"minutes_before_next_buy": 60, "trigger_mode": "Time based"}, 61, 0.0),
        ({"minutes_before_next_buy": 60, "trigger_mode": "Maximum evaluators signals based"}, 20, 0.0),
        ({"buy_price": 1}, 20, 0.0),
    ],
)
def test_a_process_that_is_not_the_first_waits_for_the_clock(
    settings: dict[str, Any], minutes_ago: int | None, left: float
) -> None:
    last = None if minutes_ago is None else NOW - timedelta(minutes=minutes_ago)
    assignment = Assignment(
        strategy_class="DCATradingMode",
        symbols=["BTC/USDT"],
        settings=settings,
        reference_currency="USDT",
        last_order_at=last,
    )
    assert left_of_period(assignment, NOW) == left


def test_an_order_is_asked_for_under_one_name_until_its_outcome_is_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    placed = Order(
        id="o1",
        client_order_id="mine:order:1",
        account="a1",
        mode="paper",
        exchange="demo",
        symbol="BTC/USDT",
        side="buy",
        type="limit",
        status="accepted",
        amount=Decimal("0.1"),
        filled=ZERO,
        remaining=Decimal("0.1"),
        price=Decimal(100),
        stop_price=None,
        trailing_percent=None,
        average=None,
        cost=ZERO,
        fee=None,
        time_in_force="gtc",
        reduce_only=False,
        group_id=None,
        triggered_at=None,
        reject_code=None,
        created_at=NOW,
        updated_at=NOW,
    )

    class Lossy(Line):
        def __init__(self) -> None:
            pass

        async def ask(self, request: Any) -> Any:
            names.append(request.ticket.client_order_id)
            if len(names) < 3:
                raise EngineTimeout("No answer came.")
            return placed

    monkeypatch.setattr(exchange, "_line", [Lossy()])
    monkeypatch.setattr(exchange, "RETRY_SECONDS", 0.0)
    made = asyncio.run(exchange.EngineClient({}).create_order("BTC/USDT", "limit", "buy", 0.1, 100))
    assert (made["id"], made["status"], made["price"]) == ("o1", "open", 100.0)
    assert len(names) == 3
    assert len(set(names)) == 1
