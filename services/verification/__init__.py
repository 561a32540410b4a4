"""Hold SQL against itself and against OctoBot: nothing lost, doubled or invented.

Every check reads rows in order and sums them exactly, one group at a time, in one snapshot of the database; a check
is a function of the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import Connection

from models import Database
from services.verification import audit, events, money, orders, strategies, tournaments
from services.verification.difference import Difference
from services.verification.memory import compare
from utils.octobot_bridge import OctoBotBridge

__all__ = ["CHECKS", "Difference", "differences"]

CHECKS: tuple[Callable[[Connection], Iterator[Difference]], ...] = (
    money.balances,
    money.bookings,
    money.strays,
    money.locks,
    money.positions,
    money.margins,
    orders.fills,
    orders.repetitions,
    orders.groups,
    orders.exits,
    orders.entries,
    orders.stuck,
    events.gaps,
    events.counters,
    events.moves,
    events.keys,
    audit.chain,
    strategies.transfers,
    strategies.leftovers,
    tournaments.ranks,
    tournaments.trades,
    tournaments.prizes,
)


def differences(database: Database, bridge: OctoBotBridge | None = None) -> list[Difference]:
    """Return every disagreement; with `bridge` also between SQL and the memory of the running engine.

    :raises StorageUnavailable: the database does not answer. :raises BridgeError: the engine went away.
    """
    with database.snapshot() as connection:
        found = [difference for check in CHECKS for difference in check(connection)]
    return found + (list(compare(database, bridge)) if bridge is not None else [])
