"""Trades as CSV (RFC 4180), with what each gained: for spreadsheets and tax returns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import select

import models
from models import Database
from services.accounts.accounts import Account, Accounts
from services.csv_lines import line
from services.principals import Principal
from services.trading.cost_basis import CostBasis, Disposal, Exchanged, Method
from utils.wire import Side

COLUMNS = (
    *("executed_at", "trade_id", "order_id", "client_order_id", "account", "account_name", "mode", "exchange"),
    *("symbol", "side", "price", "amount", "cost", "fee_currency", "fee", "reference_currency", "fee_value"),
    *("acquired_currency", "acquired_amount", "acquisition_cost"),
    *("disposed_currency", "method", "lot", "acquired_at", "disposed_amount", "proceeds", "cost_basis", "gain"),
)
CHUNK = 2_000
"""Ledger entries that are read at a time: no transaction stays open while a client reads slowly."""

_ENTRY, _TRADE, _ORDER = models.LedgerEntry, models.Trade, models.Order


@dataclass(frozen=True, kw_only=True)
class ExportFilters:
    """Which trades are written; `after` and `until` bound the time, the first exclusive."""

    account: str | None = None
    symbol: str | None = None
    side: Side | None = None
    after: datetime | None = None
    until: datetime | None = None
    method: Method = "average"


class TradeExports:
    """Write the trades of users."""

    def __init__(self, database: Database, accounts: Accounts) -> None:
        self._database = database
        self._accounts = accounts

    def export(self, principal: Principal, filters: ExportFilters) -> Iterator[str]:
        """Return the lines of the file, account by account, oldest trade first.

        With `fifo` a trade that gives away several lots has a row for each; what belongs to the trade as a whole is in
        the first of them, so that columns can be summed.

        :raises NotFound: when the account is not the caller's.
        """
        if filters.account is not None:
            accounts = [self._accounts.owned(principal, filters.account)]
        else:
            accounts = self._accounts.all(principal)
        return self._lines(accounts, filters)

    def _lines(self, accounts: list[Account], filters: ExportFilters) -> Iterator[str]:
        yield line(COLUMNS)
        for account in accounts:
            for cells in self._rows(account, filters):
                yield line([cells.get(column) for column in COLUMNS])

    def _rows(self, account: Account, filters: ExportFilters) -> Iterator[dict[str, Any]]:
        books = CostBasis(account.reference_currency)
        for trade_id, group in groupby(self._entries(account), key=lambda entry: entry.trade_id or entry.id):
            entries = list(group)
            trade = entries[0]
            if trade.trade_id is None:
                books.move(trade)
                continue
            exchanged = books.trade(_Sides(trade), entries, filters.method)
            if _matches(trade, filters):
                yield from _cells(account, trade, trade_id, exchanged, filters.method)

    def _entries(self, account: Account) -> Iterator[Any]:
        """Yield the account's ledger entries as they were written, each with its trade."""
        query = (
            select(
                _ENTRY.id,
                _ENTRY.currency,
                _ENTRY.amount,
                _ENTRY.kind,
                _ENTRY.value,
                _ENTRY.trade_id,
                _ENTRY.created_at,
                _TRADE.created_at.label("executed_at"),
                _TRADE.order_id,
                _TRADE.exchange,
                _TRADE.symbol,
                _TRADE.side,
                _TRADE.price,
                _TRADE.amount.label("trade_amount"),
                _TRADE.cost,
                _TRADE.fee_currency,
                _TRADE.fee_cost,
                _TRADE.realized_pnl,
                _ORDER.client_order_id,
            )
            .outerjoin(_TRADE, _TRADE.id == _ENTRY.trade_id)
            .outerjoin(_ORDER, _ORDER.id == _TRADE.order_id)
            .where(_ENTRY.account_id == account.id)
            .order_by(_ENTRY.id)
            .limit(CHUNK)
        )
        last = ""
        while True:
            with self._database.read() as connection:
                rows = connection.execute(query.where(_ENTRY.id > last)).all()
            yield from rows
            if len(rows) < CHUNK:
                return
            last = rows[-1].id


class _Sides:
    """A trade as `CostBasis` looks at it."""

    def __init__(self, row: Any) -> None:
        self.base, _, quote = row.symbol.partition("/")
        self.quote = quote.partition(":")[0]
        self.side = row.side
        self.created_at = row.executed_at


def _matches(trade: Any, filters: ExportFilters) -> bool:
    return (
        filters.symbol in {None, trade.symbol}
        and filters.side in {None, trade.side}
        and (filters.after is None or trade.executed_at > filters.after)
        and (filters.until is None or trade.executed_at <= filters.until)
    )


def _cells(
    account: Account, trade: Any, trade_id: str, exchanged: Exchanged | None, method: Method
) -> Iterator[dict[str, Any]]:
    same = {
        "executed_at": trade.executed_at,
        "trade_id": trade_id,
        "order_id": trade.order_id,
        "client_order_id": trade.client_order_id,
        "account": account.id,
        "account_name": account.name,
        "mode": account.mode,
        "exchange": trade.exchange,
        "symbol": trade.symbol,
        "side": trade.side,
        "reference_currency": account.reference_currency,
        "method": method,
    }
    whole: dict[str, Any] = {
        "price": trade.price,
        "amount": trade.trade_amount,
        "cost": trade.cost,
        "fee_currency": trade.fee_currency,
        "fee": trade.fee_cost,
    }
    if exchanged is None:  # no currency was given for another: the gain is what the engine booked
        yield {**same, **whole, "gain": trade.realized_pnl}
        return
    whole["fee_value"] = exchanged.fee_value
    if exchanged.got != account.reference_currency:
        whole["acquired_currency"] = exchanged.got
        whole["acquired_amount"] = exchanged.got_amount
        whole["acquisition_cost"] = exchanged.worth
    if not exchanged.disposals:
        yield {**same, **whole}
    for number, part in enumerate(exchanged.disposals, start=1):
        yield {**same, **(whole if number == 1 else {}), **_part(exchanged, part, number)}


def _part(exchanged: Exchanged, part: Disposal, number: int) -> dict[str, Any]:
    return {
        "disposed_currency": exchanged.gave,
        "lot": number,
        "acquired_at": part.acquired_at,
        "disposed_amount": part.amount,
        "proceeds": part.proceeds,
        "cost_basis": part.cost_basis,
        "gain": part.gain,
    }
