"""Positions: closed and leveraged by the engine."""

from __future__ import annotations

from decimal import Decimal

from services.accounts.accounts import Accounts
from services.principals import Principal
from utils.errors import EngineTimeout
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, ClosePosition, Leverage, Order, SetLeverage

_WHAT_TO_DO = "The position may or may not have been closed: repeat the request with the same Idempotency-Key."


class Positions:
    """Change positions of users. Nobody reaches an account of somebody else; see `OctoBotBridge` for other errors."""

    def __init__(self, bridge: OctoBotBridge, accounts: Accounts) -> None:
        self._bridge = bridge
        self._accounts = accounts

    def close(
        self, principal: Principal, actor: Actor, symbol: str, account: str | None = None, key: str | None = None
    ) -> Order:
        """Close a position of the caller's account, the main one for None, and return the order that did it.

        :param key: the idempotency key; a repetition is answered with the first outcome.
        :raises NotFound: when the account is not the caller's, or there is no such position.
        :raises EngineTimeout: when the outcome is unknown.
        """
        owned = self._accounts.tradable(principal, account)
        command = ClosePosition(actor=actor, account=owned.id, symbol=symbol, idempotency_key=key)
        try:
            return self._bridge.close_position(command)
        except EngineTimeout as error:
            raise EngineTimeout(f"{error.detail} {_WHAT_TO_DO}", code=error.code) from error

    def set_leverage(
        self, principal: Principal, actor: Actor, symbol: str, leverage: Decimal, account: str | None = None
    ) -> Leverage:
        """Choose the leverage that the caller's account, the main one for None, trades a market with.

        :raises NotFound: when the account is not the caller's. :raises Refused: when the margin forbids it.
        """
        owned = self._accounts.owned(principal, account)
        return self._bridge.set_leverage(SetLeverage(actor=actor, account=owned.id, symbol=symbol, leverage=leverage))
