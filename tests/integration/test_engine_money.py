"""What the engine writes: orders, trades, ledger, events and audit, together or not at all."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import msgspec
import pytest

import models
from models import Database
from tests.books import differences, rows
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.manual_market import ManualMarket
from utils.errors import Conflict, Refused, StorageUnavailable, TradingError
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, CancelOrder, EditOrder, ExitLeg, OcoLeg, Order, OrderTicket, PlaceOrder

TYPES = ("market", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit", "trailing_stop")


def place(bridge: OctoBotBridge, user: SignedIn, *, key: str | None = None, **fields: object) -> Order:
    ticket = OrderTicket(**{"symbol": SYMBOL, "side": "buy", "type": "market", **fields})  # type: ignore[arg-type]
    actor = Actor(user_id=user.id, ip="192.0.2.7", request_id="req")
    return bridge.place_order(PlaceOrder(actor=actor, account=user.account_id, ticket=ticket, idempotency_key=key))


@pytest.mark.usefixtures("steady")
def test_a_fill_is_booked_to_the_last_digit(engine_bridge: OctoBotBridge, user: SignedIn, database: Database) -> None:
    order = place(engine_bridge, user, amount=Decimal("0.01234"))

    cost = Decimal("0.01234") * 50_000
    fee = cost / 1000
    [stored] = rows(database, models.Order)
    [trade] = rows(database, models.Trade)
    assert (stored.id, stored.status, stored.average, stored.cost, stored.fee_cost) == (
        order.id, "filled", 50_000, cost, fee,
    )  # fmt: skip
    assert (trade.order_id, trade.price, trade.amount, trade.cost, trade.fee_cost, trade.fee_currency) == (
        order.id, 50_000, Decimal("0.01234"), cost, fee, "USDT",
    )  # fmt: skip
    entries = [(row.currency, row.amount, row.kind, row.trade_id) for row in rows(database, models.LedgerEntry)]
    assert entries == [
        ("USDT", 10_000, "deposit", None),
        ("BTC", Decimal("0.01234"), "trade", trade.id),
        ("USDT", -cost, "trade", trade.id),
        ("USDT", -fee, "fee", trade.id),
    ]
    balances = {row.currency: row.total for row in rows(database, models.Balance)}
    assert balances == {"USDT": 10_000 - cost - fee, "BTC": Decimal("0.01234")}
    assert differences(database, engine_bridge) == []


@pytest.mark.usefixtures("steady")
def test_a_fill_emits_order_trade_balance_in_that_order(
    engine_bridge: OctoBotBridge, user: SignedIn, database: Database
) -> None:
    order = place(engine_bridge, user, amount=Decimal("0.01"))
    events = [(row.id, row.type, msgspec.json.decode(row.payload)) for row in rows(database, models.Event)]
    assert [(number, kind) for number, kind, _ in events] == [
        (1, "balance"), (2, "order"), (3, "trade"), (4, "balance"),
    ]  # fmt: skip
    assert (events[1][2]["id"], events[1][2]["status"], events[1][2]["average"]) == (order.id, "filled", "50000")
    assert events[2][2]["order_id"] == order.id
    assert events[3][2]["currencies"]["USDT"] == {"free": "9499.5", "locked": "0", "total": "9499.5"}


@pytest.mark.usefixtures("steady")
def test_every_change_and_refusal_leaves_an_audit_row(
    host: EngineHost, engine_bridge: OctoBotBridge, user: SignedIn, database: Database
) -> None:
    order = place(engine_bridge, user, type="limit", price=Decimal(40_000), amount=Decimal("0.01"))
    actor = Actor(user_id=user.id, ip="192.0.2.7", request_id="req")
    engine_bridge.edit_order(EditOrder(actor=actor, account=user.account_id, order_id=order.id, price=Decimal(41_000)))
    engine_bridge.cancel_order(CancelOrder(actor=actor, account=user.account_id, order_id=order.id))
    with pytest.raises(Conflict):
        engine_bridge.cancel_order(CancelOrder(actor=actor, account=user.account_id, order_id=order.id))
    with pytest.raises(Refused):
        place(engine_bridge, user, amount=Decimal(1))
    host.tick()  # the rows of refusals are not waited for
    found = [
        (row.action, row.target, row.outcome, row.error_code, row.user_id, row.ip, row.request_id)
        for row in rows(database, models.AuditEntry)
        if row.action.startswith("order.")
    ]
    who = (user.id, "192.0.2.7", "req")
    assert found == [
        ("order.place", order.id, "done", None, *who),
        ("order.edit", order.id, "done", None, *who),
        ("order.cancel", order.id, "done", None, *who),
        ("order.cancel", order.id, "denied", "order_not_open", *who),
        ("order.place", None, "denied", "insufficient_funds", *who),
    ]


@pytest.mark.usefixtures("steady")
def test_fifty_posts_with_one_key_make_one_order(
    engine_bridge: OctoBotBridge, user: SignedIn, database: Database
) -> None:
    def post(number: int) -> str:
        return place(engine_bridge.within(60), user, key=f"key {number % 4}", amount=Decimal("0.0002")).id

    with ThreadPoolExecutor(50) as pool:
        ids = list(pool.map(post, range(200)))
    assert sorted(Counter(ids).values()) == [50, 50, 50, 50]
    assert len(rows(database, models.Order)) == 4
    assert differences(database, engine_bridge) == []


@pytest.mark.usefixtures("steady")
def test_one_client_order_id_is_taken_once_under_concurrency(
    engine_bridge: OctoBotBridge, user: SignedIn, database: Database
) -> None:
    outcomes: Counter[str] = Counter()

    def post(_number: int) -> None:
        try:
            place(engine_bridge, user, amount=Decimal("0.0002"), client_order_id="mine")
            outcomes["placed"] += 1
        except Conflict as conflict:
            outcomes[conflict.code] += 1

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(post, range(40)))
    assert outcomes == {"placed": 1, "duplicate_client_order_id": 39}
    assert len(rows(database, models.Order)) == 1


@pytest.mark.usefixtures("steady")
def test_a_key_belongs_to_one_user(
    engine_bridge: OctoBotBridge, user: SignedIn, other: SignedIn, database: Database
) -> None:
    first = place(engine_bridge, user, key="same", amount=Decimal("0.01"))
    second = place(engine_bridge, other, key="same", amount=Decimal("0.02"))
    assert first.id != second.id
    assert len(rows(database, models.Order)) == 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_books_hold_over_random_trading_and_restarts(
    host: EngineHost, engine_bridge: OctoBotBridge, market: ManualMarket, user: SignedIn, database: Database, seed: int
) -> None:
    random_ = random.Random(seed)
    price = Decimal(50_000)
    placed: list[str] = []
    refusals: Counter[str] = Counter()
    for step in range(120):
        price = (price * Decimal(str(random_.uniform(0.985, 1.015)))).quantize(Decimal("0.01"))
        market.set_price(SYMBOL, price)
        host.tick()
        try:
            placed.append(_random_order(engine_bridge, user, random_, price).id)
            if placed and random_.random() < 0.2:
                actor = Actor(user_id=user.id)
                engine_bridge.cancel_order(
                    CancelOrder(actor=actor, account=user.account_id, order_id=random_.choice(placed))
                )
        except TradingError as refusal:
            refusals[refusal.code] += 1
        if step % 40 == 39:
            host.stop()
            host.start()
            assert differences(database, engine_bridge) == []
    done = Counter(row.status for row in rows(database, models.Order))
    assert len(placed) > 60
    assert done["filled"] > 30
    assert refusals["insufficient_funds"] > 3
    assert done["canceled"] > 3
    assert differences(database, engine_bridge) == []


def _random_order(bridge: OctoBotBridge, user: SignedIn, random_: random.Random, mark: Decimal) -> Order:
    def near(low: float, high: float) -> Decimal:
        return (mark * Decimal(str(random_.uniform(low, high)))).quantize(Decimal("0.01"))

    side, kind = random_.choice(("buy", "sell")), random_.choice(TYPES)
    amount = Decimal(random_.randint(20, 2000)) / 100_000
    bracket = (kind, side) == ("market", "buy") and random_.random() < 0.5
    above = (side == "buy") == kind.startswith("stop")
    return place(
        bridge,
        user,
        side=side,
        type=kind,
        amount=amount,
        price=near(0.97, 1.03) if kind.endswith("limit") else None,
        stop_price=(near(1.001, 1.03) if above else near(0.97, 0.999)) if kind.startswith(("stop", "take")) else None,
        trailing_percent=Decimal(1) if kind == "trailing_stop" else None,
        oco=OcoLeg(stop_price=near(0.95, 0.99))
        if (kind, side) == ("limit", "sell") and random_.random() < 0.5
        else None,
        take_profit=ExitLeg(price=near(1.005, 1.03)) if bracket else None,
        stop_loss=ExitLeg(stop_price=near(0.97, 0.995)) if bracket else None,
    )


@pytest.mark.usefixtures("steady")
def test_a_locked_database_refuses_orders_and_changes_nothing(
    host: EngineHost, engine_bridge: OctoBotBridge, user: SignedIn, database: Database, market: ManualMarket
) -> None:
    resting = place(engine_bridge, user, type="limit", price=Decimal(49_000), amount=Decimal("0.01"))
    before = engine_bridge.portfolio(user.account_id).currencies
    released, locked = threading.Event(), threading.Event()

    def hold_the_database() -> None:
        with database.write() as session:
            connection = session.connection()  # on SQLite this takes the write lock
            if not database.is_sqlite:
                connection.exec_driver_sql("LOCK TABLE orders IN EXCLUSIVE MODE")
            locked.set()
            released.wait(60)

    holder = threading.Thread(target=hold_the_database)
    holder.start()
    assert locked.wait(60)
    try:
        with pytest.raises(StorageUnavailable):
            place(engine_bridge, user, amount=Decimal("0.01"), key="kept")
        market.set_price(SYMBOL, Decimal(48_900))  # crosses the resting order, which cannot be booked now
        host.tick(settle=False)
    finally:
        released.set()
        holder.join()
    market.set_price(SYMBOL, Decimal(48_950))
    host.tick()
    host.tick()
    filled = [row for row in rows(database, models.Order) if row.id == resting.id]
    assert [(row.status, row.average) for row in filled] == [("filled", 49_000)]
    assert len(rows(database, models.Order)) == 1
    assert before["USDT"].total == 10_000
    order = place(engine_bridge, user, amount=Decimal("0.01"), key="kept")
    assert order.status == "filled"
    assert differences(database, engine_bridge) == []
