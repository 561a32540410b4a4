"""What SQL knows of exchanges: which are connected, and what is still using one."""

from __future__ import annotations

from sqlalchemy import func, select

from config import DEMO, Settings
from engine.exchanges.client import is_exchange
from engine.gateway.feeds import exchange_market
from engine.markets.market import Market
from models import (
    Account,
    Database,
    Order,
    Participant,
    Position,
    Strategy,
    Tournament,
    connected_exchanges,
    remember_exchange,
)


class Connections:
    """Read and store which exchanges there are; every method blocks and belongs on a thread, but for `market`."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    def names(self) -> list[str]:
        """Return the real exchanges that are connected, without those that a newer ccxt has lost."""
        with self._database.read() as connection:
            names = connected_exchanges(connection, self._settings.exchanges)
        return [name for name in names if name != DEMO and is_exchange(name)]

    def remember(self, exchange: str, *, is_connected: bool) -> None:
        """Store a change. :raises StorageUnavailable: nothing is stored."""
        remember_exchange(self._database, exchange, is_connected=is_connected)

    def market(self, exchange: str) -> Market:
        """Return the market of an exchange; nothing is asked of it yet."""
        return exchange_market(exchange, self._settings)

    def uses(self, exchange: str) -> dict[str, int]:
        """Count what keeps an exchange from being left."""
        there = select(Account.id).where(Account.exchange == exchange)
        entry = Participant.tournament_id == Tournament.id
        unclosed = select(Participant.id).where(entry, Participant.closed_at.is_(None)).exists()
        counts = {
            "open orders": select(func.count(Order.id)).where(Order.exchange == exchange, Order.closed_at.is_(None)),
            "open positions": select(func.count(Position.account_id)).where(
                Position.account_id.in_(there), Position.opened_at.is_not(None)
            ),
            "running strategies": select(func.count(Strategy.id)).where(
                Strategy.account_id.in_(there), Strategy.state == "running"
            ),
            "tournaments with accounts to be closed": select(func.count(Tournament.id)).where(
                Tournament.exchange == exchange, Tournament.status.in_(("running", "closing", "cancelled")), unclosed
            ),
        }
        with self._database.read() as connection:
            return {what: connection.execute(count).scalar_one() for what, count in counts.items()}

    def count_accounts(self, exchange: str) -> int:
        """Count the active accounts at an exchange."""
        count = select(func.count(Account.id)).where(Account.exchange == exchange, Account.status == "active")
        with self._database.read() as connection:
            return int(connection.execute(count).scalar_one())
