"""Brackets of the fake: what an entry's exits must keep to, and the orders they become."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from tests.fake_engine.books import FakeOrder
from utils.ids import new_id
from utils.money import ONE, is_multiple
from utils.wire import ExitLeg, OrderTicket, OrderType, Side

if TYPE_CHECKING:
    from tests.fake_engine.rules import Broken, Proposal

PRICE_FACTOR = 10


class Exit(NamedTuple):
    """One leg: its name and prices, and which way from the entry it lies (1 above, -1 below)."""

    name: str
    leg: ExitLeg
    direction: int

    @property
    def trigger(self) -> tuple[str, Decimal | None]:
        """Return the field and the price at which the leg acts."""
        if self.name == "take_profit" and self.leg.stop_price is None:
            return "price", self.leg.price
        return "stop_price", self.leg.stop_price

    @property
    def type(self) -> OrderType:
        """Return the type of the order it becomes."""
        if self.name == "take_profit" and self.leg.stop_price is None:
            return "limit"
        kinds: dict[tuple[str, bool], OrderType] = {
            ("take_profit", False): "take_profit",
            ("take_profit", True): "take_profit_limit",
            ("stop_loss", False): "stop",
            ("stop_loss", True): "stop_limit",
        }
        return kinds[self.name, self.leg.price is not None]


def exits_of(ticket: OrderTicket) -> list[Exit]:
    """Return the legs of a ticket."""
    up = 1 if ticket.side == "buy" else -1
    found = []
    if ticket.take_profit is not None:
        found.append(Exit("take_profit", ticket.take_profit, up))
    if ticket.stop_loss is not None:
        found.append(Exit("stop_loss", ticket.stop_loss, -up))
    return found


def results(p: Proposal, entry_price: Decimal) -> Iterator[tuple[str, str, Broken]]:
    """Yield name, field and breach of every rule for every leg."""
    for exit_ in exits_of(p.ticket):
        breach = next(_breaches(p, exit_, entry_price), None)
        yield exit_.name, "" if breach is None else breach[0], breach


def _breaches(p: Proposal, exit_: Exit, entry: Decimal) -> Iterator[tuple[str, str, str]]:
    name, market = exit_.name, p.instrument
    if p.ticket.oco is not None or p.ticket.reduce_only:
        yield name, "bracket_not_allowed", "Only a plain entry takes exits."
    field, price = exit_.trigger
    if price is None:
        code = "stop_price_required" if name == "stop_loss" else "price_required"
        missing = "stop_price" if name == "stop_loss" else "price"
        yield f"{name}.{missing}", code, "The exit needs a price at which it acts."
        return
    for each in ("price", "stop_price"):
        value = getattr(exit_.leg, each)
        if value is not None and not is_multiple(value, market.price_tick):
            yield f"{name}.{each}", "invalid_precision", f"Prices are multiples of {market.price_tick}."
        if value is not None and not p.mark / PRICE_FACTOR <= value <= p.mark * PRICE_FACTOR:
            yield f"{name}.{each}", "price_out_of_range", f"More than {PRICE_FACTOR} times away from {p.mark}."
    if (price - entry) * exit_.direction <= 0:
        yield f"{name}.{field}", f"{name}_wrong_side", f"It is on the wrong side of {entry}."
    limit = price if exit_.leg.price is None else exit_.leg.price
    if p.amount * limit < market.min_cost:
        yield name, "below_min_cost", f"The smallest order is worth {market.min_cost}."
    if p.ticket.side == "sell":
        earned = p.account.free(market.quote) + p.amount * entry * (ONE - market.taker_fee)
        if p.amount * limit * (ONE + market.taker_fee) > earned:
            yield name, "insufficient_funds", "The sale does not bring enough to buy back at this price."


def open_exits(entry: FakeOrder, mark: Decimal, moment: datetime) -> list[FakeOrder]:
    """Return the orders that an entry's legs become when it has filled."""
    legs = exits_of(entry.ticket)
    group = new_id() if len(legs) == 2 else None
    side: Side = "sell" if entry.ticket.side == "buy" else "buy"
    opened = []
    for exit_ in legs:
        identifier = new_id()
        ticket = OrderTicket(
            symbol=entry.ticket.symbol,
            side=side,
            type=exit_.type,
            amount=entry.amount,
            price=exit_.leg.price,
            stop_price=exit_.leg.stop_price,
            reduce_only=side == "sell",
        )
        opened.append(
            FakeOrder(
                id=identifier,
                account=entry.account,
                ticket=ticket,
                amount=entry.amount,
                best=mark,
                created_at=moment,
                updated_at=moment,
                client_order_id=identifier,
                group_id=group,
                parent_id=entry.id,
            )
        )
    return opened
