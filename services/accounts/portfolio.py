"""Portfolios: what an account holds, as the engine values it now."""

from __future__ import annotations

from services.accounts.accounts import Accounts
from services.principals import Principal
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Balance, Portfolio, Position


class Portfolios:
    """Value the accounts of users. All methods raise `NotFound` for an account that is not the caller's."""

    def __init__(self, bridge: OctoBotBridge, accounts: Accounts) -> None:
        self._bridge = bridge
        self._accounts = accounts

    def overview(self, principal: Principal, account: str | None = None) -> Portfolio:
        """Return everything about one account, the main one for None."""
        return self._bridge.portfolio(self._accounts.owned(principal, account).id)

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
