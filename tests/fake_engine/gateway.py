"""The lines of the engine in memory to exchanges: it has one, which stays."""

from __future__ import annotations

from typing import NoReturn

from tests.fake_engine.market import EXCHANGE, INSTRUMENTS, check_exchange
from utils.errors import Conflict, Refused
from utils.wire import ConnectExchange, DisconnectExchange, FeedStatus


def status() -> FeedStatus:
    """Return how the one feed is."""
    return FeedStatus(exchange=EXCHANGE, connected=True, symbols=len(INSTRUMENTS), tick_age=0.0)


def connect(command: ConnectExchange) -> FeedStatus:
    """Return the feed. :raises Refused: it is another exchange's."""
    if command.exchange != EXCHANGE:
        raise Refused(f"There is no exchange {command.exchange}.", code="unknown_exchange")
    return status()


def disconnect(command: DisconnectExchange) -> NoReturn:
    """Refuse it. :raises NotFound: no such exchange. :raises Conflict: the one that stays."""
    check_exchange(command.exchange)
    raise Conflict("The demo exchange stays connected.", code="exchange_is_demo")
