"""The marks of moments ago."""

from __future__ import annotations

from decimal import Decimal

from engine.exchanges.past import SECONDS, Past
from engine.markets.source import Quote

LONGEST = 10.0


def quote(symbol: str, price: int) -> Quote:
    return Quote(symbol=symbol, price=Decimal(price), bid=Decimal(price - 1), ask=Decimal(price + 1), at=0.0)


def filled(*polls: tuple[float, dict[str, int]]) -> Past:
    """Return what remembers some polls, the last of which told 5 of A."""
    past, quotes = Past(), dict[str, Quote]()
    for now, prices in polls:
        told = {symbol: quote(symbol, price) for symbol, price in prices.items()}
        past.note(told.values(), quotes, now)
        quotes |= told
    return past


def test_a_mark_is_that_of_the_last_poll_at_or_before_a_moment() -> None:
    past = filled((0, {"A": 1}), (3, {"A": 2, "B": 7}), (6, {"B": 7}), (9, {"A": 5}))
    marks = [past.mark("A", at, Decimal(5), LONGEST) for at in (0, 2.9, 3, 8.9, 9, 19)]
    assert marks == [1, 1, 2, 2, 5, 5]
    assert [past.mark("B", at, Decimal(7), LONGEST) for at in (2.9, 3, 9)] == [None, 7, 7]


def test_what_was_polled_too_long_before_or_is_forgotten_is_not_told() -> None:
    past = filled((0, {"A": 1}), (20, {"A": 5}))
    assert past.mark("A", 10, Decimal(5), LONGEST) == 1
    assert past.mark("A", 10.1, Decimal(5), LONGEST) is None
    assert past.mark("A", -0.1, Decimal(5), LONGEST) is None
    assert Past().mark("A", 0, Decimal(5), LONGEST) is None


def test_so_many_seconds_are_remembered_and_no_more() -> None:
    past = filled(*((float(now), {"A": now}) for now in range(0, 1001)))
    assert past.mark("A", 1000 - SECONDS, Decimal(1000), LONGEST) == 1000 - SECONDS
    assert past.mark("A", 1000 - SECONDS - 1, Decimal(1000), LONGEST) is None
    # one that is polled rarely is remembered from the last poll before that
    rarely = filled((0, {"A": 1}), (500, {"A": 5}))
    assert rarely.mark("A", 499, Decimal(5), 1_000) == 1
