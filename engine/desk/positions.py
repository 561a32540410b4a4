"""Commands on positions: close them, and choose the leverage."""

from __future__ import annotations

from engine.accounts.account import Account
from engine.desk.desk import Desk
from engine.journal.unit import Unit
from utils import wire


class Positions:
    """Carry out the commands on positions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def close(self, command: wire.ClosePosition) -> wire.Order:
        """Close a position at the market and return the order that did it; see `Desk.close_position`."""
        return await self._desk.close_position(command)

    async def set_leverage(self, command: wire.SetLeverage) -> wire.Leverage:
        """Choose the leverage of a market; a live account's exchange is asked first.

        :raises NotFound: unknown symbol. :raises Refused: it cannot be.
        :raises Conflict: the account is archived, or its tournament is over: what is open then is closed as it was.
        """
        account = await self._desk.account(command.account)
        await self._desk.live.choose_leverage(account, command.symbol, command.leverage)

        async def change(account: Account, unit: Unit) -> wire.Leverage:
            await account.gate.seat.check_not_over()
            account.check_active()
            return await account.set_leverage(command.symbol, command.leverage, unit)

        return await self._desk.carry_out(command, "position.leverage", change)
