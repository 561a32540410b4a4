"""The money of a loopback exchange adds up, whatever is done to it."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from decimal import Decimal
from typing import Literal

import pytest

from tests.exchanges.book import Book
from tests.exchanges.market import default_markets
from tests.exchanges.orders import Rejected, Side, Ticket

SYMBOL = "BTC/USDT"
DEPOSITS = {"USDT": Decimal(10000), "BTC": Decimal(1)}


def new_book(fees: Literal["received", "quote"]) -> Book:
    book = Book(default_markets(), lambda: int(time.time() * 1000), fees=fees)
    for currency, amount in DEPOSITS.items():
        book.deposit("main", currency, amount)
    return book


def ticket(book: Book, draw: random.Random, number: int) -> Ticket:
    market = book.quotes[SYMBOL].market
    side: Side = draw.choice(("buy", "sell"))
    amount = Decimal(draw.randint(1, 20000)) * market.amount_step
    if draw.random() < 0.3:
        return Ticket(market, side, "market", f"id-{number}", amount=amount)
    price = Decimal(draw.randint(4000000, 6000000)) / 100
    time_in_force = draw.choice(("gtc", "gtc", "ioc", "fok"))
    return Ticket(market, side, "limit", f"id-{number}", amount=amount, price=price, time_in_force=time_in_force)  # type: ignore[arg-type]


def check(book: Book) -> None:
    total, locked = dict(DEPOSITS), {"USDT": Decimal(0), "BTC": Decimal(0)}
    for trade in book.trades("main"):
        sign = 1 if trade.side == "buy" else -1
        total["BTC"] += sign * trade.amount
        total["USDT"] -= sign * trade.cost
        total[trade.fee_currency] -= trade.fee
    for order in book.orders("main"):
        locked[order.spends] += order.reserved
        assert (order.reserved > 0) == (order.status == "open")
        assert order.filled == sum(trade.amount for trade in book.trades_of(order.id))
        assert order.cost == sum(trade.cost for trade in book.trades_of(order.id))
        assert (order.filled == order.amount) == (order.status == "filled")
    held = book.balances("main")
    assert {currency: sum(amounts) for currency, amounts in held.items()} == total
    assert {currency: amounts[1] for currency, amounts in held.items()} == locked
    assert min(min(amounts) for amounts in held.values()) >= 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fees", ["received", "quote"])
def test_money_adds_up(fees: Literal["received", "quote"], seed: int) -> None:
    draw, book = random.Random(seed), new_book(fees)
    rejected = 0
    for number in range(300):
        open_ids = [order.id for order in book.orders() if order.status == "open"]
        action = draw.choice(("place", "place", "place", "cancel", "fill", "price", "liquidity", "replace"))
        with contextlib.suppress(Rejected):
            rejected += 1
            if action == "place":
                book.place("main", ticket(book, draw, number))
            elif action == "price":
                book.set_price(SYMBOL, Decimal(draw.randint(4000000, 6000000)) / 100, "1")
            elif action == "liquidity":
                book.set_liquidity(SYMBOL, draw.choice((None, "0.05", "0.5")))
            elif open_ids and action == "cancel":
                book.cancel("main", draw.choice(open_ids))
            elif open_ids and action == "replace":
                book.replace("main", draw.choice(open_ids), ticket(book, draw, number))
            elif open_ids:
                order_id = draw.choice(open_ids)
                book.fill(order_id, book.order(order_id).left / draw.choice((1, 2)))
            rejected -= 1
        check(book)
    assert len(book.trades()) > 20
    assert rejected > 0


def test_threads_do_not_spend_the_same_money() -> None:
    book = new_book("received")
    market = book.quotes[SYMBOL].market
    outcomes: list[str] = []

    def buy(number: int) -> None:
        wanted = Ticket(market, "buy", "limit", f"id-{number % 20}", amount=Decimal("0.02"), price=Decimal(40000))
        try:
            book.place("main", wanted)
            outcomes.append("placed")
        except Rejected as rejected:
            outcomes.append(rejected.reason)

    threads = [threading.Thread(target=buy, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("placed") == 12
    check(book)


def test_filling_more_than_is_left() -> None:
    book = new_book("received")
    wanted = Ticket(book.quotes[SYMBOL].market, "buy", "limit", "one", amount=Decimal("0.1"), price=Decimal(40000))
    order = book.place("main", wanted)
    for amount in ("0.2", "0", "-1"):
        with pytest.raises(ValueError, match="is left of order"):
            book.fill(order.id, amount)
    assert book.order(order.id).filled == 0
    with pytest.raises(ValueError, match="would become"):
        book.withdraw("main", "USDT", "6001")
    check(book)
