"""Whose strategies are whose, for those who follow them."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from models import Account, Database, Strategy
from utils.errors import NotFound

FORGOTTEN = ""
"""Stands for the name of a strategy that was deleted for good; its account is still there."""


class StrategyOwners:
    """Read which strategies belong to whom, and which accounts to them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def check(self, user_id: str, name: str) -> None:
        """Let a user follow a strategy. :raises NotFound: `strategy_not_found`, also for somebody else's."""
        query = select(Strategy.id).where(Strategy.user_id == user_id, Strategy.name == name)
        with self._database.read() as connection:
            if connection.execute(query).first() is None:
                raise NotFound("You have no such strategy.", code="strategy_not_found")

    def names(self, user_id: str, accounts: Collection[str]) -> dict[str, str | None]:
        """Return the name of the strategy that trades on each of a user's accounts, None for accounts without one."""
        query = (
            select(Account.id, Strategy.name)
            .join(Strategy, Strategy.account_id == Account.id, isouter=True)
            .where(Account.user_id == user_id, Account.id.in_(accounts), Account.kind == "strategy")
        )
        with self._database.read() as connection:
            found = {row.id: row.name or FORGOTTEN for row in connection.execute(query)}
        return {account: found.get(account) for account in accounts}
