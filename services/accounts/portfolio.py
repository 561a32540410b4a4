"""Portfolios: what an account holds, as the engine values it now."""

from __future__ import annotations

from msgspec.structs import replace

from services.accounts.accounts import Accounts
from services.bot.readings import BotReadings
from services.principals import Principal
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Balance, Portfolio, Position


class Portfolios:
    """Value the accounts of users, and of the bot.

    All methods raise `NotFound` for an account that the caller does not see, and what `BotReadings` does for the bot's.
    """

    def __init__(self, bridge: OctoBotBridge, accounts: Accounts, bot: BotReadings) -> None:
        self._bridge = bridge
        self._accounts = accounts
        self._bot = bot

    def overview(self, principal: Principal, account: str | None = None) -> Portfolio:
        """Return everything about one account, the main one for None."""
        seen = self._accounts.seen(principal, account)
        found = self._bot.portfolio(seen.exchange) if seen.kind == "bot" else self._bridge.portfolio(seen.id)
        return replace(found, positions=[position.told() for position in found.positions])

    def balance(self, principal: Principal, account: str | None = None) -> Balance:
        """Return what the account holds."""
        portfolio = self.overview(principal, account)
        return Balance(
            account=portfolio.account,
            mode=portfolio.mode,
            currencies=portfolio.currencies,
            reference_currency=portfolio.reference_currency,
            total_value=portfolio.total_value,
        )

    def positions(self, principal: Principal, account: str | None = None) -> list[Position]:
        """Return the positions of a futures account, or a spot account's holdings other than its reference currency."""
        return self.overview(principal, account).positions
