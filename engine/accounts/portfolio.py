"""The overview of an account: holdings, positions and profit, valued at mark prices."""

from __future__ import annotations

from decimal import Decimal

from engine.accounts.octobot import OctoBotAccount
from engine.accounts.valuation import Valuation
from engine.journal.records import AccountRecord
from engine.orders import rules
from engine.orders.drafts import Draft, Funds
from utils import clock
from utils.money import HUNDRED, ZERO
from utils.wire import Fee, Holding, Portfolio, Position, Preview, Profit


def overview(record: AccountRecord, octobot: OctoBotAccount, valuation: Valuation, open_orders: int) -> Portfolio:
    """Value a spot account now."""
    reference = record.reference_currency
    currencies = {currency: _holding(octobot, valuation, currency) for currency in octobot.currencies()}
    total = sum((holding.value for holding in currencies.values() if holding.value is not None), ZERO)
    deposited = record.starting_balance if record.deposited is None else record.deposited
    gain = total - deposited
    return Portfolio(
        account=record.id,
        mode=record.mode,
        currencies=currencies,
        reference_currency=reference,
        total_value=total,
        open_orders=open_orders,
        positions=[
            _position(record, valuation, currency, holding.total)
            for currency, holding in currencies.items()
            if currency != reference and holding.total
        ],
        profit=Profit(amount=gain, percent=round(gain / deposited * HUNDRED, 4) if deposited else ZERO),
        as_of=clock.now(),
    )


def preview(draft: Draft, funds: Funds) -> Preview:
    """Tell what placing an order on a spot account would do."""
    checks = rules.checks(draft, funds)
    ticket, market = draft.ticket, draft.instrument
    at_mark = ticket.type == "market" or (ticket.type == "limit" and draft.is_marketable)
    price = draft.mark if at_mark else draft.price
    cost = draft.amount * price
    resting = ticket.type == "limit" and not at_mark
    fee = cost * (market.maker_fee if resting else market.taker_fee)
    sign = 1 if ticket.side == "buy" else -1
    return Preview(
        symbol=ticket.symbol,
        side=ticket.side,
        type=ticket.type,
        amount=draft.amount,
        price=price,
        cost=cost,
        fee=Fee(currency=market.quote, cost=fee),
        balance_after={
            market.base: funds.free(market.base) + sign * draft.amount,
            market.quote: funds.free(market.quote) - sign * cost - fee,
        },
        checks=checks,
        ok=all(check.ok for check in checks),
    )


def _holding(octobot: OctoBotAccount, valuation: Valuation, currency: str) -> Holding:
    free, total = octobot.free(currency), octobot.total(currency)
    return Holding(free=free, locked=total - free, total=total, value=valuation.value(currency, total))


def _position(record: AccountRecord, valuation: Valuation, currency: str, total: Decimal) -> Position:
    mark, entry = valuation.price(currency), valuation.entry_prices.get(currency)
    return Position(
        account=record.id,
        symbol=f"{currency}/{record.reference_currency}",
        side="long",
        amount=total,
        entry_price=entry,
        mark_price=mark,
        unrealized_pnl=None if mark is None or entry is None else total * (mark - entry),
    )
