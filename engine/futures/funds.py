"""What a futures account can pay: the rules about margin, leverage and orders that may only reduce."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from engine.futures.position import Position, initial_margin, tier_of
from engine.orders import drafts, orders
from engine.orders.drafts import Draft
from utils import wire
from utils.clock import now
from utils.errors import Refused
from utils.money import ZERO, plain
from utils.wire import CONDITIONAL, MARKET_ON_TRIGGER, Instrument, Side


class FuturesFunds:
    """The margins of one account at a moment, as if the open order `without` were not there."""

    def __init__(
        self,
        wallet: Decimal,
        positions: Mapping[str, Position],
        open_orders: Iterable[wire.Order],
        instruments: dict[str, Instrument],
        without: wire.Order | None = None,
    ) -> None:
        self.wallet = wallet
        self._positions = positions
        self._instruments = instruments
        self._orders = [order for order in open_orders if without is None or order.id != without.id]

    def positions_margin(self) -> Decimal:
        """Return what the positions lock."""
        return sum((position.margin for position in self._positions.values()), ZERO)

    def orders_margin(self) -> Decimal:
        """Return what the open orders lock: the initial margin and the taker fee of all that could open something.

        Whatever a resting limit turns out to do when it fills, adding, reducing or reversing, costs at most that.
        """
        return sum(
            (
                self.lock(order.symbol, order.amount, order.price)
                for order in self._orders
                if order.price is not None and orders.rests_as_limit(order) and not order.reduce_only
            ),
            ZERO,
        )

    def lock(self, symbol: str, amount: Decimal, price: Decimal) -> Decimal:
        """Return what a resting limit locks."""
        fee = amount * price * self._instruments[symbol].taker_fee
        return initial_margin(amount, price, self._positions[symbol].leverage) + fee

    def free(self, _currency: str = "") -> Decimal:
        """Return what of the wallet no position and no order locks."""
        return self.wallet - self.positions_margin() - self.orders_margin()

    def free_after(self, symbol: str, side: Side, amount: Decimal, price: Decimal) -> Decimal:
        """Return what would be free after a fill at `price` as taker; negative when it cannot be paid."""
        position = self._positions[symbol]
        fee = amount * price * self._instruments[symbol].taker_fee
        after = position.filled(side, amount, price, fee, now())
        return self.free() + position.margin - after.margin + position.gain(side, amount, price) - fee

    def affords(self, order: wire.Order, price: Decimal) -> bool:
        """Tell whether an open order can be paid that fills, or goes to rest, at `price`."""
        if self.leverage(order.symbol, order.side, order.amount, price) is not None:
            return False
        if order.type in MARKET_ON_TRIGGER or price != order.price:
            return self.free_after(order.symbol, order.side, order.amount, price) >= 0
        return self.lock(order.symbol, order.amount, price) <= self.free()

    def reduce_only(self, order: Draft) -> Refused | None:
        """Refuse an order that may only reduce where it would open or reverse a position."""
        if not order.ticket.reduce_only:
            return None
        position = self._positions[order.ticket.symbol]
        if not position.reduces(order.ticket.side):
            detail = "There is no position that this order could reduce."
            return drafts.refuse("reduce_only_without_position", "reduce_only", detail)
        if order.amount > abs(position.amount):
            detail = f"The position is {plain(abs(position.amount))} {order.instrument.base}; the order is larger."
            return drafts.refuse("reduce_only_too_large", "amount", detail)
        return None

    def covers(self, order: Draft) -> Refused | None:
        """Refuse what the margin does not cover, or what is too large for the leverage."""
        ticket = order.ticket
        if ticket.reduce_only:
            return None
        at_mark = ticket.type == "market" or (ticket.type == "limit" and order.is_marketable)
        price = order.mark if at_mark else order.price
        refusal = self.leverage(ticket.symbol, ticket.side, order.amount, price)
        if refusal is not None:
            return refusal
        if at_mark:
            missing = -self.free_after(ticket.symbol, ticket.side, order.amount, price)
        else:
            # What waits for a trigger locks nothing, but must be affordable at all.
            has = self.wallet if ticket.type in CONDITIONAL else self.free()
            missing = self.lock(ticket.symbol, order.amount, price) - has
        if missing > 0:
            field = "quote_amount" if ticket.quote_amount is not None else "amount"
            detail = f"The order needs {plain(missing)} {order.instrument.settle} more than is free."
            return drafts.refuse("insufficient_funds", field, detail)
        return None

    def position(self, symbol: str, price: Decimal) -> Refused | None:
        """Refuse a position as it stands at its leverage, whichever way the orders in its market would take it."""
        sides: tuple[Side, ...] = ("buy", "sell")
        refusals = [self.leverage(symbol, side, ZERO, price) for side in sides]
        if self.free() < 0:
            detail = "The margin that this leverage needs is not free."
            refusals.append(drafts.refuse("insufficient_funds", "leverage", detail))
        return next((refusal for refusal in refusals if refusal is not None), None)

    def leverage(self, symbol: str, side: Side, amount: Decimal, price: Decimal) -> Refused | None:
        """Refuse a position that is too large for its leverage, the orders that could make it larger included."""
        position, market = self._positions[symbol], self._instruments[symbol]
        signed = amount if side == "buy" else -amount
        after = abs(position.amount + signed)
        if position.reduces(side) and after <= abs(position.amount):
            return None
        waiting = sum(
            (o.amount for o in self._orders if (o.symbol, o.side, o.reduce_only) == (symbol, side, False)), ZERO
        )
        cost = (after + waiting) * price
        if cost > market.leverage_tiers[-1].max_cost:
            detail = f"A position in {symbol} is worth at most {plain(market.leverage_tiers[-1].max_cost)}."
            return drafts.refuse("position_too_large", "amount", detail)
        most = tier_of(market, cost).max_leverage
        if position.leverage > most:
            detail = (
                f"For a position of this size the leverage is at most {plain(most)}; it is {plain(position.leverage)}."
            )
            return drafts.refuse("leverage_too_high", "amount", detail)
        return None
