"""The owner's limits at their edges: what is just within them passes."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from engine.journal.records import AccountRecord, Records
from engine.markets.market import Market
from engine.orders import orders
from engine.orders.kill_switches import KillSwitches
from engine.orders.risk import Gate
from engine.tournaments.contests import Contests, Seat
from tests.unit.order_market import SPOT, SWAP, draft, leg, oco
from utils import wire
from utils.errors import Refused
from utils.money import ZERO
from utils.wire import Instrument, RiskLimits

OTHER = "BBB/USDT"


class Account:
    """Has a position, orders and a value as told; all currencies are worth twice the reference."""

    def __init__(self, held: str = "0", value: str = "1000", *waiting: wire.Order) -> None:
        self.record = cast(AccountRecord, SimpleNamespace(id="account", user_id="user", reference_currency="EUR"))
        self.orders = {order.id: order for order in waiting}
        self._held, self._value = Decimal(held), Decimal(value)

    def position(self, _instrument: Instrument) -> Decimal:
        return self._held

    def overview(self) -> wire.Portfolio:
        return cast(wire.Portfolio, SimpleNamespace(total_value=self._value))

    def value(self, _currency: str, amount: Decimal) -> Decimal | None:
        return amount * 2


class Day:
    """What SQL tells of the day: 400 USDT at its start, 100 deposited since."""

    def day(self, _account: str, _midnight: object) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        return {"USDT": Decimal(400), "AAA": ZERO}, {"USDT": Decimal(100)}


def _refusal(
    limits: dict[str, Any], account: Account, order: Any, edited: wire.Order | None = None, bound: int = 100
) -> str | None:
    numbers: dict[str, Any] = {
        name: Decimal(value) if isinstance(value, str) else value for name, value in limits.items()
    }
    record = SimpleNamespace(**vars(account.record), limits=RiskLimits(**numbers))
    market = SimpleNamespace(instruments={}, exchange="demo")
    gate = Gate(
        cast(AccountRecord, record),
        cast(Market, market),
        cast(Records, Day()),
        KillSwitches(),
        seat=Seat(cast(Contests, None), None),
        max_open_orders=bound,
    )
    try:
        asyncio.run(gate.admit(order, account, edited))
    except Refused as refused:
        return refused.code
    return None


def _waiting(side: str, amount: str, *, symbol: str = SPOT.symbol, group: str | None = None) -> wire.Order:
    order = orders.new_order(draft(side, amount=amount), "account", "paper")
    return replace(order, symbol=symbol, group_id=group)


@pytest.mark.parametrize(
    ("limits", "order", "code"),
    [
        # values are in the reference currency: twice what they are in USDT
        ({"max_order_value": "180"}, draft(), None),
        ({"max_order_value": "179.99"}, draft(), "risk_max_order_value"),
        # what sells below the mark is worth the mark
        ({"max_order_value": "199.99"}, draft("sell"), "risk_max_order_value"),
        ({"max_order_value": "220"}, draft("sell", price="110"), None),
        ({"max_order_value": "219.99"}, draft("sell", price="110"), "risk_max_order_value"),
        ({"price_collar": "10"}, draft(price="90"), None),
        ({"price_collar": "9.99"}, draft(price="90"), "risk_price_collar"),
        ({"price_collar": "10"}, draft("sell", price="110"), None),
        ({"price_collar": "9.99"}, draft("sell", price="110"), "risk_price_collar"),
        # a limit that waits for a trigger is near to that, wherever the market is
        ({"price_collar": "10"}, draft("buy", "stop_limit", stop_price="200", price="220"), None),
        ({"price_collar": "10"}, draft("buy", "stop_limit", stop_price="200", price="220.5"), "risk_price_collar"),
        ({"price_collar": "10"}, draft("buy", "stop_limit", stop_price="200", price="100"), "risk_price_collar"),
        ({"price_collar": "0"}, draft("buy", "stop", stop_price="200"), None),
        ({"allowed_symbols": [OTHER]}, draft(), "risk_symbol_not_allowed"),
        ({"allowed_symbols": [OTHER]}, draft("sell"), None),
        ({"allowed_symbols": [OTHER]}, draft("sell", market=SWAP), "risk_symbol_not_allowed"),
        ({"allowed_symbols": [OTHER]}, draft("sell", market=SWAP, reduce_only=True), None),
        # 800 at the start, 200 paid in, 900 now: 100 are lost
        ({"max_daily_loss": "100.01"}, draft(), None),
        ({"max_daily_loss": "100"}, draft(), "risk_max_daily_loss"),
        ({"max_daily_loss": "0"}, draft("sell"), None),
    ],
)
def test_a_limit_holds_from_its_edge_on(limits: dict[str, Any], order: Any, code: str | None) -> None:
    assert _refusal(limits, Account("0", "900"), order) == code


def test_a_position_counts_with_what_could_make_it_larger() -> None:
    pair = [_waiting("buy", "2", group="pair"), _waiting("buy", "3", group="pair")]
    others = [_waiting("buy", "1"), _waiting("sell", "9"), _waiting("buy", "9", symbol=OTHER)]
    # 4 held, 3 of a pair, 1 and the order itself: 9 at the mark, twice
    long = Account("4", "1000", *pair, *others)
    assert _refusal({"max_position_value": "1800"}, long, draft()) is None
    assert _refusal({"max_position_value": "1799"}, long, draft()) == "risk_max_position_value"
    # an edit takes the place of its order, and of the other one of its pair
    assert _refusal({"max_position_value": "1200"}, long, draft(), pair[0]) is None
    assert _refusal({"max_position_value": "1199"}, long, draft(), pair[0]) == "risk_max_position_value"
    assert _refusal({"max_position_value": "1600"}, long, draft(), others[0]) is None
    assert _refusal({"max_position_value": "1599"}, long, draft(), others[0]) == "risk_max_position_value"
    # a short one as much
    assert _refusal({"max_position_value": "1000"}, Account("-4"), draft("sell", market=SWAP)) is None
    assert (
        _refusal({"max_position_value": "999"}, Account("-4"), draft("sell", market=SWAP)) == "risk_max_position_value"
    )


@pytest.mark.parametrize(
    ("order", "adds"),
    [
        (draft(), 1),
        (draft("buy", "market"), 0),
        (draft("sell", price="110", oco=oco("90")), 2),
        (draft(take_profit=leg("110")), 1),
        (draft(take_profit=leg("110"), stop_loss=leg(stop="80")), 2),
        (draft("buy", "market", take_profit=leg("110")), 1),
        (draft("buy", "market", take_profit=leg("110"), stop_loss=leg(stop="80")), 2),
    ],
)
def test_open_orders_count_with_the_exits_they_lead_to(order: Any, adds: int) -> None:
    bracket = replace(_waiting("buy", "1"), take_profit=leg("110"), stop_loss=leg(stop="80"))
    account = Account("0", "1000", _waiting("buy", "1"), bracket)  # three
    assert _refusal({"max_open_orders": 3 + adds}, account, order) is None
    if adds:
        assert _refusal({"max_open_orders": 2 + adds}, account, order) == "risk_max_open_orders"
    # the installation's own bound holds whatever an owner allows, and not for what is there already
    own = {"max_open_orders": 99}
    assert _refusal(own, account, order, bound=3 + adds) is None
    assert _refusal(own, account, order, bound=2 + adds) == ("risk_max_open_orders" if adds else None)
    assert _refusal({}, account, order, bracket, bound=1) is None
