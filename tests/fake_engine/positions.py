"""Positions of the fake, which has spot accounts alone."""

from __future__ import annotations

from typing import NoReturn

from tests.fake_engine.books import FakeAccount
from tests.fake_engine.market import EXCHANGE, instrument
from utils.errors import NotFound, Refused
from utils.money import round_down
from utils.wire import ClosePosition, OrderTicket, PlaceOrder, SetLeverage


def closing(account: FakeAccount, command: ClosePosition) -> PlaceOrder:
    """Return the sale of what is free of a holding. :raises NotFound: when there is nothing."""
    market = instrument(EXCHANGE, command.symbol)
    amount = round_down(account.free(market.base), market.amount_step)
    if not amount:
        raise NotFound(f"There is nothing to sell on {command.symbol}.", code="position_not_found")
    ticket = OrderTicket(symbol=command.symbol, side="sell", type="market", amount=amount)
    return PlaceOrder(actor=command.actor, account=command.account, ticket=ticket)


def set_leverage(_account: FakeAccount, _command: SetLeverage) -> NoReturn:
    """Refuse: a spot account owns what it trades."""
    raise Refused("A spot account has no leverage.", code="not_a_futures_account")
