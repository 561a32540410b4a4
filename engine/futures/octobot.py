"""A futures account inside OctoBot: its positions and wallet, exact, with margins that we compute.

OctoBot executes the orders, moves size, entry price and wallet. Three things of it are replaced:

- averages and realised gains are divided with a remainder: `PaperPosition` rounds them to what SQL keeps;
- the margin of an order is locked by what the position is when it comes and released by what it is when it goes:
  `PaperPortfolio` locks nothing by itself, the account tells it the sums;
- the unrealised gain of one position stands for all: the mark is not fed, the account computes it.

An order's `reduce_only` is not told to OctoBot, which would cancel orders behind our back: the account sees to it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from octobot_trading import personal_data

from engine.accounts.octobot import OctoBotAccount
from engine.futures.position import Position, average_entry
from engine.orders.orders import Fill
from utils import wire
from utils.money import ZERO

_GAIN_DIGITS = Decimal("1e-40")
"""Finer than any exact gain (amount times price difference), coarser than the noise of OctoBot's divisions."""


class PaperPosition(personal_data.LinearPosition):  # type: ignore[misc]
    """OctoBot's linear position without remainders of divisions."""

    entry_price: Decimal
    realised_pnl: Decimal

    def update_average_entry_price(self, update_size: Decimal, update_price: Decimal) -> None:
        """Average to the digits that SQL keeps."""
        self.entry_price = average_entry(self.size, self.entry_price, update_size, update_price)

    def _update_realized_pnl_from_size_update(self, *args: Any, **kwargs: Any) -> Decimal:
        before = self.realised_pnl
        update = Decimal(super()._update_realized_pnl_from_size_update(*args, **kwargs)).quantize(_GAIN_DIGITS)
        self.realised_pnl = before + update
        return update


class PaperPortfolio(personal_data.FuturePortfolio):  # type: ignore[misc]
    """OctoBot's futures portfolio, whose margins are set from outside."""

    def update_portfolio_available_from_order(self, order: Any, is_new_order: bool = True) -> None:
        """Lock nothing: see the module's docstring."""

    def update_portfolio_data_from_deposit(self, amount: Decimal, currency: str) -> None:
        """Add to the wallet, which OctoBot's futures portfolio cannot."""
        self._update_future_portfolio_data(currency, wallet_value=amount)

    def update_portfolio_data_from_position_size_update(
        self, position: Any, realized_pnl_update: Decimal, *_: Any, **__: Any
    ) -> None:
        """Move the wallet by what was realised."""
        self._update_future_portfolio_data(position.market, wallet_value=realized_pnl_update)

    def update_portfolio_from_pnl(self, position: Any) -> None:
        """Keep no unrealised gain: see the module's docstring."""


class FuturesOctoBotAccount(OctoBotAccount):
    """Execute orders in one OctoBot futures portfolio, settled in `settle`."""

    EXCHANGE_TYPE = "future"

    def __init__(self, exchange_manager: Any) -> None:
        super().__init__(exchange_manager)
        self.settle = ""

    @classmethod
    def _prepare(cls, manager: Any) -> None:
        manager.exchange_personal_data.portfolio_manager.portfolio = PaperPortfolio(manager.exchange_name, True)

    def total(self, currency: str) -> Decimal:
        """Return the wallet: what was paid in and realised."""
        return self._asset(currency, "wallet_balance")

    async def restore(self, position: Position) -> None:
        """Give OctoBot the contract of a market and the position that the account has in it."""
        self._manager.exchange_personal_data.positions_manager.positions.pop(position.symbol, None)
        held = await self._position(position.symbol)
        await self.set_leverage(position.symbol, position.leverage)
        if position.entry_price is not None:
            held.update_from_raw(
                {
                    "symbol": position.symbol,
                    "size": position.amount,
                    "quantity": position.amount / position.leverage,
                    "entry_price": position.entry_price,
                    "mark_price": position.entry_price,
                }
            )

    def position(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return size (negative when short) and entry price of a position that is or was there."""
        held = self._manager.exchange_personal_data.positions_manager.positions[symbol]
        return held.size, held.entry_price

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Choose the leverage of a market."""
        await self._trader.set_leverage(symbol, None, leverage)

    async def move(self, amount: Decimal) -> None:
        """Move the wallet without a trade: funding, or what the insurance pays."""
        wallet = self.total(self.settle) + amount
        self._wallet().set(total=wallet, position_margin=ZERO, order_margin=ZERO)

    def lock(self, positions: Decimal, orders: Decimal) -> None:
        """Lock these margins instead of those before.

        :raises octobot_trading.errors.PortfolioNegativeValueError: when the wallet does not hold them.
        """
        self._wallet().set(total=self.total(self.settle), position_margin=positions, order_margin=orders)

    async def execute(self, order: wire.Order, price: Decimal) -> Fill:
        """Buy or sell at once, as taker; nothing is locked afterwards until `lock`."""
        self.lock(ZERO, ZERO)
        return await super().execute(order, price)

    async def fill(self, order_id: str, price: Decimal, *, taker: bool) -> Fill:
        """Fill a held order; nothing is locked afterwards until `lock`."""
        self.lock(ZERO, ZERO)
        return await super().fill(order_id, price, taker=taker)

    def _wallet(self) -> Any:
        portfolio = self._manager.exchange_personal_data.portfolio_manager.portfolio
        return portfolio.get_currency_portfolio(self.settle)

    async def _position(self, symbol: str) -> Any:
        positions = self._manager.exchange_personal_data.positions_manager
        if symbol not in positions.positions:
            await self._manager.exchange.load_pair_contract(symbol)
            held = PaperPosition(self._trader, self._manager.exchange.get_pair_contract(symbol))
            held.update_from_raw({"symbol": symbol})
            held.position_id = symbol
            positions.add_position(held)
        return positions.positions[symbol]
