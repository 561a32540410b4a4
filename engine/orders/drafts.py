"""Orders that could be: a ticket at a mark price, and what an account could pay for it."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

import msgspec

from utils.errors import FieldError, Refused
from utils.money import ONE, ZERO, round_down
from utils.wire import PRICED, STOPPED, Instrument, OrderTicket

PRICE_BAND = Decimal(10)
"""A price further than this factor from the mark is taken for a typing error."""


class Funds(Protocol):
    """What an account can pay; each kind of account has its own rules about that."""

    def free(self, currency: str) -> Decimal:
        """Return what is not locked."""

    def reduce_only(self, order: Draft) -> Refused | None:
        """Hold an order that may only reduce against what there is to reduce."""

    def covers(self, order: Draft) -> Refused | None:
        """Hold what the order needs against what there is."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An order that could be: the ticket, its market, the mark price and the amount it comes to."""

    ticket: OrderTicket
    instrument: Instrument
    mark: Decimal
    amount: Decimal

    @property
    def is_marketable(self) -> bool:
        """Tell whether a limit would trade at once at the mark price."""
        return is_marketable(self.ticket.side, self.ticket.price, self.mark)

    @property
    def takes(self) -> bool:
        """Tell whether the order trades at once."""
        return self.ticket.type == "market" or (self.ticket.type == "limit" and self.is_marketable)

    @property
    def price(self) -> Decimal:
        """Return the price the order is computed at: its limit, else its stop, else the mark."""
        ticket = self.ticket
        if ticket.type in PRICED and ticket.price is not None:
            return ticket.price
        if ticket.type in STOPPED and ticket.stop_price is not None:
            return ticket.stop_price
        return self.mark

    @property
    def cost(self) -> Decimal:
        """Return the quote amount at `price`, without fee."""
        return self.amount * self.price

    @property
    def fee(self) -> Decimal:
        """Return the taker fee at `price`, in the quote currency."""
        return self.cost * self.instrument.taker_fee

    def needs(self) -> tuple[str, Decimal]:
        """Return the currency and the amount that the order takes from the account."""
        if self.ticket.side == "buy":
            return self.instrument.quote, self.cost + self.fee
        return self.instrument.base, self.amount


def is_marketable(side: str, price: Decimal | None, mark: Decimal) -> bool:
    """Tell whether a limit order at `price` trades at once when the market is at `mark`."""
    if price is None:
        return False
    return price >= mark if side == "buy" else price <= mark


def draft(ticket: OrderTicket, instrument: Instrument, mark: Decimal) -> Draft:
    """Work out the amount of `ticket`: given, or the most that `quote_amount` buys at the mark, fee included."""
    if ticket.amount is not None:
        amount = ticket.amount
    else:
        budget = ticket.quote_amount or ZERO
        amount = round_down(max(budget, ZERO) / (mark * (ONE + instrument.taker_fee)), instrument.amount_step)
    return Draft(ticket=ticket, instrument=instrument, mark=mark, amount=amount)


def refuse(code: str, field: str, detail: str) -> Refused:
    """Return the refusal of one field."""
    return Refused(detail, code=code, errors=(FieldError(field=field, code=code, message=detail),))
