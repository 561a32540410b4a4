"""Cost basis, proceeds and gain against figures worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from services.trading.cost_basis import CostBasis, Exchanged, Method

START = datetime(2026, 1, 1, tzinfo=UTC)
METHODS: tuple[Method, ...] = ("average", "fifo")


@dataclass
class Entry:
    currency: str
    amount: Decimal
    kind: str
    value: Decimal | None
    created_at: datetime = START


@dataclass
class Sides:
    base: str
    quote: str
    side: str
    created_at: datetime


def dec(text: str | int) -> Decimal:
    return Decimal(text)


class Books:
    """Feed a `CostBasis` in USDT, one day per entry."""

    def __init__(self, method: Method) -> None:
        self.basis = CostBasis("USDT")
        self.method = method
        self.day = 0

    def now(self) -> datetime:
        return START + timedelta(days=self.day)

    def enter(self, kind: str, currency: str, amount: str, value: str | None = None) -> None:
        worth = None if value is None else dec(value)
        self.basis.move(Entry(currency, dec(amount), kind, worth, self.now()))
        self.day += 1

    def trade(
        self,
        side: str,
        amount: str,
        price: str,
        *,
        pair: str = "BTC/USDT",
        fee: tuple[str, str] | None = None,
        rate: str | None = "1",
    ) -> Exchanged:
        """Trade; `fee` is (currency, amount), `rate` what the quote currency is worth in USDT."""
        base, quote = pair.split("/")
        sign = 1 if side == "buy" else -1
        cost = dec(amount) * dec(price)
        worth = None if rate is None else cost * dec(rate)
        entries = [
            Entry(base, sign * dec(amount), "trade", None if worth is None else sign * worth),
            Entry(quote, -sign * cost, "trade", None if worth is None else -sign * worth),
        ]
        if fee is not None:
            currency, paid = fee
            in_base = None if rate is None else -dec(paid) * dec(price) * dec(rate)
            in_quote = None if rate is None else -dec(paid) * dec(rate)
            value = in_base if currency == base else in_quote if currency == quote else -dec(paid) * 300
            entries.append(Entry(currency, -dec(paid), "fee", value))
        found = self.basis.trade(Sides(base, quote, side, self.now()), entries, self.method)
        assert found is not None
        self.day += 1
        return found


def told(found: Exchanged) -> list[tuple[Decimal, Decimal | None, Decimal | None, Decimal | None]]:
    return [(part.amount, part.proceeds, part.cost_basis, part.gain) for part in found.disposals]


def test_average_cost_with_fees() -> None:
    books = Books("average")
    books.enter("deposit", "USDT", "10000", "10000")
    bought = books.trade("buy", "1", "100", fee=("USDT", "2"))
    assert (bought.got, bought.got_amount, bought.worth, bought.disposals) == ("BTC", 1, 102, [])
    books.trade("buy", "3", "200", fee=("USDT", "6"))  # 708 for 4: 177 each
    sold = books.trade("sell", "2", "300", fee=("USDT", "10"))
    assert told(sold) == [(2, 590, 354, 236)]
    assert told(books.trade("sell", "2", "100")) == [(2, 200, 354, -154)]


def test_first_in_first_out_splits_lots() -> None:
    books = Books("fifo")
    books.trade("buy", "1", "100", fee=("USDT", "2"))
    books.trade("buy", "3", "200", fee=("USDT", "6"))
    sold = books.trade("sell", "2", "300", fee=("USDT", "10"))
    # 590 came in: half of it for the first lot, which cost 102, half for a third of the second, which cost 606
    assert told(sold) == [(1, 295, 102, 193), (1, 295, 202, 93)]
    assert [part.acquired_at for part in sold.disposals] == [START, START + timedelta(days=1)]
    last = books.trade("sell", "2", "100")
    assert told(last) == [(2, 200, 404, -204)]
    assert last.disposals[0].acquired_at == START + timedelta(days=1)


@pytest.mark.parametrize("method", METHODS)
def test_fees_in_the_base_currency(method: Method) -> None:
    books = Books(method)
    bought = books.trade("buy", "1", "100", fee=("BTC", "0.01"))
    assert (bought.got_amount, bought.worth, bought.fee_value) == (dec("0.99"), 100, 1)
    sold = books.trade("sell", "0.5", "200", fee=("BTC", "0.005"))
    assert (sold.gave_amount, sold.worth, sold.fee_value) == (dec("0.505"), 100, 1)
    [(amount, proceeds, cost, gain)] = told(sold)
    assert (amount, proceeds) == (dec("0.505"), 100)
    # 0.505 of 0.99 that cost 100
    assert cost is not None
    assert gain is not None
    assert abs(cost - dec("50.5") / dec("0.99")) < dec("1e-17")
    assert gain == 100 - cost


@pytest.mark.parametrize("method", METHODS)
def test_a_fee_in_a_third_currency_counts_at_its_value(method: Method) -> None:
    books = Books(method)
    books.enter("deposit", "BNB", "1", "250")
    bought = books.trade("buy", "1", "100", fee=("BNB", "0.01"))  # worth 3
    assert (bought.got_amount, bought.worth, bought.fee_value) == (1, 103, 3)
    sold = books.trade("sell", "1", "200", fee=("BNB", "0.02"))
    assert told(sold) == [(1, 194, 103, 91)]


@pytest.mark.parametrize("method", METHODS)
def test_a_deposit_of_coins_is_a_lot_at_its_value(method: Method) -> None:
    books = Books(method)
    books.enter("deposit", "BTC", "2", "300")
    sold = books.trade("sell", "1", "200")
    assert told(sold) == [(1, 200, 150, 50)]
    assert sold.disposals[0].acquired_at == (START if method == "fifo" else None)


@pytest.mark.parametrize("method", METHODS)
def test_a_reset_forgets_what_was_paid(method: Method) -> None:
    books = Books(method)
    books.trade("buy", "1", "100")
    books.enter("reset", "BTC", "-1")
    books.enter("reset", "USDT", "-9900")
    books.enter("deposit", "USDT", "10000", "10000")
    books.trade("buy", "1", "500")
    assert told(books.trade("sell", "1", "600")) == [(1, 600, 500, 100)]


@pytest.mark.parametrize("method", METHODS)
def test_a_trade_between_two_other_currencies(method: Method) -> None:
    books = Books(method)
    books.trade("buy", "1", "1000")
    # 10 ETH at 0.05 BTC while BTC is worth 2,000, and 0.001 BTC as a fee: 0.501 BTC go, worth 1,002
    swapped = books.trade("buy", "10", "0.05", pair="ETH/BTC", fee=("BTC", "0.001"), rate="2000")
    assert (swapped.gave, swapped.gave_amount, swapped.got, swapped.got_amount) == ("BTC", dec("0.501"), "ETH", 10)
    assert told(swapped) == [(dec("0.501"), 1_002, 501, 501)]
    assert told(books.trade("sell", "10", "90", pair="ETH/USDT")) == [(10, 900, 1_002, -102)]
    # the rest of the BTC still cost what it did
    assert told(books.trade("sell", "0.499", "1000")) == [(dec("0.499"), 499, 499, 0)]
    # and ETH for BTC: 1,000 of proceeds become the cost of the BTC
    books.trade("buy", "1", "800", pair="ETH/USDT")
    back = books.trade("sell", "1", "0.05", pair="ETH/BTC", fee=("BTC", "0.01"), rate="25000")
    assert told(back) == [(1, 1_000, 800, 200)]
    assert (back.got, back.got_amount, back.worth) == ("BTC", dec("0.04"), 1_000)
    assert told(books.trade("sell", "0.04", "30000")) == [(dec("0.04"), 1_200, 1_000, 200)]


def test_parts_of_a_lot_add_up_to_the_last_digit() -> None:
    books = Books("fifo")
    books.trade("buy", "3", "33.333333333333333333")
    books.trade("buy", "0.7", "10")
    sold = [
        books.trade("sell", "1", "7"),
        books.trade("sell", "1", "7"),
        books.trade("sell", "1.7", "11.11", fee=("USDT", "1")),
    ]
    parts = [part for each in sold for part in each.disposals]
    assert sum(part.cost_basis or 0 for part in parts) == dec("99.999999999999999999") + 7
    assert [sum(part.proceeds or 0 for part in each.disposals) for each in sold] == [7, 7, dec("17.887")]
    assert [part.amount for part in parts] == [1, 1, 1, dec("0.7")]


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_known_is_left_open(method: Method) -> None:
    books = Books(method)
    books.enter("external", "BTC", "1")  # nobody knows at what price
    [part] = books.trade("sell", "0.5", "100").disposals
    assert (part.proceeds, part.cost_basis, part.gain) == (50, None, None)
    books.enter("external", "BTC", "-0.5")
    swapped = books.trade("buy", "1", "1", pair="ETH/XYZ", rate=None)
    assert (swapped.worth, [part.gain for part in swapped.disposals]) == (None, [None])
    assert [part.cost_basis for part in books.trade("sell", "1", "5", pair="ETH/USDT").disposals] == [None]
    # more than there ever was
    parts = books.trade("sell", "2", "10", pair="SOL/USDT").disposals
    assert [(part.amount, part.proceeds, part.cost_basis) for part in parts] == [(2, 20, None)]


def test_old_entries_without_values_are_known_where_the_reference_is_traded() -> None:
    books = Books("fifo")
    entries = [Entry("BTC", dec(1), "trade", None), Entry("USDT", dec(-100), "trade", None)]
    bought = books.basis.trade(Sides("BTC", "USDT", "buy", START), entries, "fifo")
    assert bought is not None
    assert bought.worth == 100
    assert told(books.trade("sell", "1", "120")) == [(1, 120, 100, 20)]


def test_a_trade_that_moves_one_currency_alone_is_not_an_exchange() -> None:
    books = Books("fifo")
    entries = [Entry("USDT", dec(-5), "fee", dec(-5))]
    assert books.basis.trade(Sides("BTC", "USDT", "buy", START), entries, "fifo") is None


def test_what_thirds_leave_over_goes_to_the_last_lot() -> None:
    books = Books("fifo")
    for _ in range(3):
        books.trade("buy", "1", "1")
    parts = books.trade("sell", "3", "4", fee=("USDT", "2")).disposals
    third = dec("3.333333333333333333")
    assert [part.proceeds for part in parts] == [third, third, third + dec("1e-18")]
