"""The gate to an exchange's perpetuals: what `LiveTrader` does, and the wallet, positions, incomes and settings."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from engine.live.futures import told
from engine.live.outcomes import FAILURES, Refusal, Unknown
from engine.live.trader import LiveTrader, Unreachable
from utils.clock import to_ms

INCOME_PAGE = 1000
MOST_PAGES = 20
NO_WAIT = {"cost": 1}
"""The exchange counts a look at incomes as thirty requests. They are seldom, and orders must not queue behind them."""


class FuturesTrader(LiveTrader):
    """Send, cancel and look up orders in perpetuals, each request once."""

    async def wallets(self) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        """Return wallet balances and what is free of them, by currency. :raises Unreachable: no answer."""
        answer = await self._read("fapiPrivateV3GetAccount")
        return _understood(lambda: told.wallets_of(answer))

    async def positions(self) -> dict[str, told.ToldPosition]:
        """Return the open positions, by symbol. :raises Unreachable: no answer."""
        answer = await self._read("fapiPrivateV3GetPositionRisk")
        return _understood(lambda: told.positions_of(answer, self._symbol))

    async def incomes(self, since: int) -> list[told.Income]:
        """Return what moved the wallet from `since` (ms) on, oldest first. :raises Unreachable: no answer."""
        found: dict[str, told.Income] = {}
        for _ in range(MOST_PAGES):
            request = ("income", "fapiPrivate", "GET", {"startTime": since, "limit": INCOME_PAGE}, None, None, NO_WAIT)
            rows = await self._read("request", *request)
            page = _understood(partial(self._incomes_of, rows))
            found.update((income.id, income) for income in page)
            if len(page) < INCOME_PAGE:
                break
            since = to_ms(page[-1].at)
        return sorted(found.values(), key=lambda income: income.at)

    async def settings(self, symbol: str) -> told.Settings:
        """Return leverage and margin mode of a market. :raises Unreachable: no answer."""
        market = self.client.market(symbol)["id"]
        rows = await self._read("fapiPrivateGetSymbolConfig", {"symbol": market})
        return _understood(lambda: told.settings_of({row["symbol"]: row for row in rows}[market]))

    async def is_hedged(self) -> bool:
        """Tell whether long and short positions are held apart. :raises Unreachable: no answer."""
        answer = await self._read("fapiPrivateGetPositionSideDual")
        return _understood(lambda: bool(answer["dualSidePosition"]))

    async def set_leverage(self, symbol: str, leverage: Decimal) -> Refusal | Unknown | None:
        """Choose the leverage of a market; None when the exchange says that it did."""
        answer = await self._change(self.timing.send, "set_leverage", int(leverage), symbol)
        return answer if isinstance(answer, Refusal | Unknown) else None

    async def isolate(self, symbol: str) -> Refusal | Unknown | None:
        """Have a market's margin isolated; None when the exchange says that it is."""
        answer = await self._change(self.timing.send, "set_margin_mode", "isolated", symbol)
        return answer if isinstance(answer, Refusal | Unknown) else None

    async def _read(self, method: str, *request: Any) -> Any:
        """Ask, and take a refusal for no answer. :raises Unreachable: no answer."""
        try:
            return await self._ask(method, *request)
        except FAILURES as error:
            raise Unreachable(f"{method}: {type(error).__name__}") from error

    def _incomes_of(self, rows: Any) -> list[told.Income]:
        return [told.income_of(row, self._symbol) for row in rows]

    def _symbol(self, market_id: str) -> str | None:
        market = self.client.markets_by_id.get(market_id)
        swaps = [each for each in market or [] if each.get("swap") and each.get("linear")]
        return swaps[0]["symbol"] if swaps else None


def _understood[Result](read: Callable[[], Result]) -> Result:
    """Return what `read` makes of an answer. :raises Unreachable: it makes no sense."""
    try:
        return read()
    except FAILURES as error:
        raise Unreachable(f"an answer that makes no sense: {type(error).__name__}") from error
