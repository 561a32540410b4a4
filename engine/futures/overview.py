"""What the owner of a futures account sees: overview, preview, leverage."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from engine.futures.funds import FuturesFunds
from engine.futures.position import Position
from engine.journal.records import AccountRecord
from engine.orders import drafts, rules
from engine.orders.drafts import Draft
from utils import clock
from utils.errors import NotFound
from utils.money import HUNDRED, ONE, ZERO, plain
from utils.wire import Fee, Holding, Instrument, Leverage, OrderTicket, Portfolio, Preview, Profit, Side
from utils.wire import Position as ValuedPosition


def overview(
    record: AccountRecord, currencies: dict[str, Holding], positions: Iterable[ValuedPosition], open_orders: int
) -> Portfolio:
    """Value an account now: what it is worth is its wallets and the unrealised gain of its positions."""
    valued = list(positions)
    wallet = sum((holding.value or ZERO for holding in currencies.values()), ZERO)
    total = wallet + sum((position.unrealized_pnl or ZERO for position in valued), ZERO)
    deposited = record.starting_balance if record.deposited is None else record.deposited
    gain = total - deposited
    return Portfolio(
        account=record.id,
        mode=record.mode,
        currencies=currencies,
        reference_currency=record.reference_currency,
        total_value=total,
        open_orders=open_orders,
        positions=valued,
        profit=Profit(amount=gain, percent=round(gain / deposited * HUNDRED, 4) if deposited else ZERO),
        as_of=clock.now(),
    )


def holding(free: Decimal, wallet: Decimal) -> Holding:
    """Return a wallet of the reference currency."""
    return Holding(free=free, locked=wallet - free, total=wallet, value=wallet)


def preview(draft: Draft, funds: FuturesFunds, currency: str) -> Preview:
    """Tell what placing an order would do; `balance_after` is what would be free."""
    ticket, market = draft.ticket, draft.instrument
    checks = rules.checks(draft, funds)
    at_mark = ticket.type == "market" or (ticket.type == "limit" and draft.is_marketable)
    price = draft.mark if at_mark else draft.price
    cost = draft.amount * price
    resting = ticket.type == "limit" and not at_mark
    if resting:
        free = funds.free() - (ZERO if ticket.reduce_only else funds.lock(ticket.symbol, draft.amount, price))
    else:
        free = funds.free_after(ticket.symbol, ticket.side, draft.amount, price)
    return Preview(
        symbol=ticket.symbol,
        side=ticket.side,
        type=ticket.type,
        amount=draft.amount,
        price=price,
        cost=cost,
        fee=Fee(currency=currency, cost=cost * (market.maker_fee if resting else market.taker_fee)),
        balance_after={currency: free},
        checks=checks,
        ok=all(check.ok for check in checks),
    )


def closing(position: Position) -> OrderTicket:
    """Return the ticket that closes a position. :raises NotFound: when there is none."""
    if position.side is None:
        raise NotFound(f"There is no position in {position.symbol}.", code="position_not_found")
    side: Side = "sell" if position.side == "buy" else "buy"
    amount = abs(position.amount)
    return OrderTicket(symbol=position.symbol, side=side, type="market", amount=amount, reduce_only=True)


def leverage(position: Position, market: Instrument, account: str) -> Leverage:
    """Return what the owner is told of the leverage of a market."""
    return Leverage(
        account=account,
        symbol=position.symbol,
        leverage=position.leverage,
        max_leverage=market.max_leverage or ONE,
        margin=position.margin,
        liquidation_price=position.liquidation_price(market),
    )


def check_entry(record: AccountRecord, leverage: Decimal) -> None:
    """Hold a leverage against the account's tournament. :raises Refused: it allows less."""
    most = None if record.entry is None else record.entry.max_leverage
    if most is not None and leverage > most:
        detail = f"The tournament allows a leverage of {plain(most)} at most."
        raise drafts.refuse("tournament_max_leverage", "leverage", detail)


def check_leverage(position: Position, market: Instrument, mark: Decimal) -> None:
    """Hold a leverage against the market's limits. :raises Refused: it is beyond them, or would liquidate at once."""
    most = market.max_leverage or ONE
    if position.leverage % 1 or not ONE <= position.leverage <= most:
        detail = f"The leverage is a whole number from 1 to {plain(most)}."
        raise drafts.refuse("invalid_leverage", "leverage", detail)
    if position.is_lost(market, mark):
        raise drafts.refuse("liquidation_too_close", "leverage", "At this leverage the position would be liquidated.")
