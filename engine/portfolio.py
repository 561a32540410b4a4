"""The overview of an account: holdings, positions and profit, valued at mark prices."""

from __future__ import annotations

from decimal import Decimal

from engine import rules
from engine.account import Account
from utils import clock
from utils.money import HUNDRED, ZERO
from utils.wire import Check, Fee, Holding, OrderTicket, Portfolio, Position, Preview, Profit


def overview(account: Account) -> Portfolio:
    """Value `account` now."""
    reference = account.record.reference_currency
    currencies = {currency: _holding(account, currency) for currency in account.octobot.currencies()}
    total = sum((holding.value for holding in currencies.values() if holding.value is not None), ZERO)
    deposited = account.record.starting_balance
    gain = total - deposited
    return Portfolio(
        account=account.record.id,
        mode=account.record.mode,
        currencies=currencies,
        reference_currency=reference,
        total_value=total,
        open_orders=len(account.orders),
        positions=[
            _position(account, currency, holding.total)
            for currency, holding in currencies.items()
            if currency != reference and holding.total
        ],
        profit=Profit(amount=gain, percent=round(gain / deposited * HUNDRED, 4) if deposited else ZERO),
        as_of=clock.now(),
    )


def preview(account: Account, ticket: OrderTicket, risks: list[Check]) -> Preview:
    """Tell what placing `ticket` would do; `risks` are the gate's checks. :raises NotFound: unknown symbol."""
    draft = account.draft(ticket)
    checks = [*rules.checks(draft, account.octobot), *risks]
    market = draft.instrument
    at_mark = draft.takes
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
            market.base: account.octobot.free(market.base) + sign * draft.amount,
            market.quote: account.octobot.free(market.quote) - sign * cost - fee,
        },
        checks=checks,
        ok=all(check.ok for check in checks),
    )


def _holding(account: Account, currency: str) -> Holding:
    free, total = account.octobot.free(currency), account.octobot.total(currency)
    return Holding(free=free, locked=total - free, total=total, value=account.valuation.value(currency, total))


def _position(account: Account, currency: str, total: Decimal) -> Position:
    mark, entry = account.valuation.price(currency), account.valuation.entry_prices.get(currency)
    return Position(
        account=account.record.id,
        symbol=f"{currency}/{account.record.reference_currency}",
        side="long",
        amount=total,
        entry_price=entry,
        mark_price=mark,
        unrealized_pnl=None if mark is None or entry is None else total * (mark - entry),
    )
