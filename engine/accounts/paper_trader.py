"""OctoBot's simulated trader: it notes what it closed for the desk, and passes orders of trading modes to a gate."""

from __future__ import annotations

from typing import Any, Protocol

from octobot_trading import enums, exchanges

from engine.orders.orders import Fill
from utils.ids import new_id
from utils.wire import Fee


class Gate(Protocol):
    """Where orders go that a trading mode creates or cancels: the desk, which then has this trader carry them out."""

    async def create(self, order: Any) -> None:
        """Place an order."""

    async def cancel(self, order: Any) -> None:
        """Cancel an open order."""


class PaperTrader(exchanges.TraderSimulator):  # type: ignore[misc]
    """OctoBot's simulator, which remembers the order it closed last, and sends what trading modes want to the gate."""

    def __init__(self, config: dict[str, Any], exchange_manager: Any) -> None:
        super().__init__(config, exchange_manager)
        self.last_fill: Fill | None = None
        self.gate: Gate | None = None

    async def create_order(self, order: Any, *args: Any, **options: Any) -> Any:
        """Let the gate decide about an order of a trading mode."""
        if self.gate is None:
            return await super().create_order(order, *args, **options)
        await self.gate.create(order)
        return order

    async def cancel_order(self, order: Any, *args: Any, **options: Any) -> bool:
        """Let the gate cancel an order for a trading mode."""
        if self.gate is None:
            return bool(await super().cancel_order(order, *args, **options))
        await self.gate.cancel(order)
        return True

    async def hold(self, order: Any) -> Any:
        """Create an order that the desk has decided about."""
        return await super().create_order(order, raise_all_creation_error=True)

    async def take(self, order: Any) -> None:
        """Fill a market order that the desk has decided about, at the price that it was made with.

        These are OctoBot's own steps, one after the other, for an order that is never open. It has three states for
        them, a task, and a portfolio and a trade to tell: more than what they do takes, and only trading modes listen.
        """
        personal, heard = self.exchange_manager.exchange_personal_data, self.gate is not None
        personal.portfolio_manager.refresh_portfolio_available_from_order(order, is_new_order=True)
        order.on_fill_actions()
        order.executed_time = order.generate_executed_time()
        order.fee = order.get_computed_fee()
        async with personal.portfolio_manager.portfolio.lock:
            await personal.handle_portfolio_and_position_update_from_order(order, should_notify=heard)
        await personal.handle_order_update_notification(order, enums.OrderUpdateType.STATE_CHANGE)
        await personal.handle_trade_instance_update(self.convert_order_to_trade(order), should_notify=heard)

    async def drop(self, order: Any) -> None:
        """Cancel an order that the desk has decided about."""
        await super().cancel_order(order)

    def convert_order_to_trade(self, order: Any) -> Any:
        """Note the fill; OctoBot calls this once for every order it closes, right after it moved the portfolio."""
        trade = super().convert_order_to_trade(order)
        if order.filled_quantity:
            trade.trade_id = new_id()
            self.last_fill = _fill_of(trade)
        return trade


def _fill_of(trade: Any) -> Fill:
    fee = Fee(currency=trade.fee["currency"], cost=trade.fee["cost"])
    return Fill(trade.trade_id, trade.executed_price, trade.executed_quantity, fee)
