"""What is settled with an exchange before a market is traded there: isolated margin, and the leverage.

Both are settings, not orders: to ask for them twice does no harm, so what is not certain is looked up.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.journal.unit import Unit
from engine.live.follower import Change
from engine.live.futures.account import LiveFuturesAccount
from engine.live.futures.told import Settings
from engine.live.outcomes import Refusal, Unknown
from engine.live.trader import Unreachable
from utils.errors import EngineTimeout, EngineUnavailable, FieldError, Refused

SETTINGS_SECONDS = 60.0
"""How long the exchange's word on a market's settings counts; they may be changed in its app."""


class FuturesDesk:
    """Choose settings at exchanges; no account's lock is held while they are waited for."""

    def __init__(self, change: Change) -> None:
        self._change = change

    async def prepare(self, account: LiveFuturesAccount, symbol: str, *, reduce_only: bool) -> None:
        """See to it that an order in a market would open an isolated position; nothing is asked twice in a minute.

        :raises Refused: `margin_mode_not_isolated` when the exchange does not change it.
        :raises EngineUnavailable: it does not answer; no order was placed.
        """
        known = account.settings(symbol, SETTINGS_SECONDS)
        if not account.trades_market(symbol) or (known is not None and (known.isolated or reduce_only)):
            return
        await account.keys.check(account.trader.client)
        settings = await self._settings(account, symbol)
        if not settings.isolated and not reduce_only:
            outcome = await account.trader.isolate(symbol)
            if isinstance(outcome, Refusal):
                raise _refused(account, outcome, "symbol")
            # what is not certain shows now
            settings = await self._settings(account, symbol)
            if not settings.isolated:
                raise _silent(account)
        await self._learn(account, symbol, settings)

    async def choose_leverage(self, account: LiveFuturesAccount, symbol: str, leverage: Decimal) -> None:
        """Have the exchange take a leverage.

        :raises Refused: it does not. :raises EngineUnavailable: nothing was done.
        :raises EngineTimeout: `leverage_unknown` when nobody can tell.
        """
        account.check_leverage(symbol, leverage)
        await account.keys.check(account.trader.client)
        outcome = await account.trader.set_leverage(symbol, leverage)
        if isinstance(outcome, Refusal):
            raise _refused(account, outcome, "leverage")
        if isinstance(outcome, Unknown):
            try:
                settings = await account.trader.settings(symbol)
            except Unreachable:
                settings = None
            if settings is not None:
                await self._learn(account, symbol, settings)
            if settings is None or settings.leverage != leverage:
                detail = f"{account.record.exchange} has not told whether it took the leverage; ask for it again."
                raise EngineTimeout(detail, code="leverage_unknown")

    async def _settings(self, account: LiveFuturesAccount, symbol: str) -> Settings:
        try:
            return await account.trader.settings(symbol)
        except Unreachable as error:
            raise _silent(account) from error

    async def _learn(self, account: LiveFuturesAccount, symbol: str, settings: Settings) -> None:
        async def learn(account: Any, unit: Unit) -> None:
            account.learn(symbol, settings, unit)

        await self._change(account, learn)


def _refused(account: LiveFuturesAccount, refusal: Refusal, field: str) -> Refused | EngineUnavailable:
    if refusal.again:
        detail = f"{account.record.exchange} was not asked, or asks for patience; nothing was done."
        return EngineUnavailable(detail, code=refusal.code, retry_after=int(refusal.retry_after or 0) or 1)
    detail = f"{account.record.exchange} refuses it."
    return Refused(detail, code=refusal.code, errors=(FieldError(field=field, code=refusal.code, message=detail),))


def _silent(account: LiveFuturesAccount) -> EngineUnavailable:
    detail = f"{account.record.exchange} does not tell how it trades the market; nothing was done."
    return EngineUnavailable(detail, code="exchange_unavailable", retry_after=2)
