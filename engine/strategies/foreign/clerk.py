"""Answers to a strategy's process: only about its account and the markets it trades."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from engine.accounts.accounts import Accounts
from engine.desk.desk import Desk
from engine.desk.queries import Queries
from engine.markets.markets import Markets
from engine.strategies.hand import ENDING
from engine.strategies.records import StrategyRecord, StrategyRecords
from engine.strategies.store import Store
from engine.strategies.thinking import StrategyFault
from utils import wire
from utils.errors import Conflict, NotFound, TradingError
from utils.wire import Order

MESSAGE_LENGTH = 500
LEVEL = "order"
"""Stands in client order ids where house strategies say what an order is for."""


class Clerk:
    """Answer one strategy's process, in the strategy's name alone."""

    def __init__(
        self,
        record: StrategyRecord,
        *,
        accounts: Accounts,
        desk: Desk,
        markets: Markets,
        records: StrategyRecords,
        store: Store,
        failed: Callable[[TradingError], None],
    ) -> None:
        self._record = record
        self._accounts = accounts
        self._desk = desk
        self._markets = markets
        self._market = markets.get(record.exchange)
        self._records = records
        self._store = store
        self._failed = failed
        self._actor = wire.Actor(user_id=record.user_id)
        self._account = record.account_id
        self.turning = asyncio.Lock()
        """Held while something is done for it."""
        self.is_over = False
        """Whether nothing is done for it any more."""

    def handlers(self) -> dict[type[wire.Request], Any]:
        """Return what answers each request."""
        queries = Queries(self._accounts, self._markets).handlers()

        def on_account(kind: type[wire.Request]) -> Any:
            return lambda query: queries[kind](replace(query, account=self._record.account_id))

        def on_market(kind: type[wire.Request]) -> Any:
            return lambda query: queries[kind](replace(query, exchange=self._record.exchange))

        return {
            wire.GetAssignment: self._assignment,
            wire.GetPortfolio: on_account(wire.GetPortfolio),
            wire.GetOpenOrders: on_account(wire.GetOpenOrders),
            wire.GetInstruments: self._instruments,
            wire.GetTickers: self._tickers,
            wire.GetCandles: on_market(wire.GetCandles),
            wire.GetOrderBook: on_market(wire.GetOrderBook),
            wire.GetMarketTrades: on_market(wire.GetMarketTrades),
            wire.GetOrder: self._order,
            wire.GetClosedOrders: self._closed_orders,
            wire.GetOwnTrades: self._trades,
            wire.PlaceOrder: self._place,
            wire.CancelOrder: self._cancel,
            wire.AddLogEntry: self._log,
            wire.ReportFault: self._report,
        }

    async def _assignment(self, _query: wire.GetAssignment) -> wire.Assignment:
        # a run begins when its strategy is started or edited
        last = await asyncio.to_thread(self._records.last_order_at, self._record.account_id, self._record.updated_at)
        return wire.Assignment(
            strategy_class=self._record.strategy_class,
            symbols=self._record.symbols,
            settings=self._record.settings,
            reference_currency=self._record.reference_currency,
            last_order_at=last,
        )

    async def _instruments(self, _query: wire.GetInstruments) -> wire.Listing:
        listing = self._market.listing()
        mine = [each for each in listing.instruments if each.symbol in self._record.symbols]
        return replace(listing, instruments=mine)

    async def _tickers(self, query: wire.GetTickers) -> list[wire.Ticker]:
        return self._market.tickers(query.symbols or self._record.symbols)

    async def _order(self, query: wire.GetOrder) -> Order:
        order = await asyncio.to_thread(self._records.order, self._record.account_id, query.order_id)
        if order is None:
            raise NotFound("There is no such order.", code="order_not_found")
        return order

    async def _closed_orders(self, query: wire.GetClosedOrders) -> list[Order]:
        return await asyncio.to_thread(self._records.closed, self._record.account_id, query.symbol, query.limit)

    async def _trades(self, query: wire.GetOwnTrades) -> list[wire.Trade]:
        return await asyncio.to_thread(self._records.trades, self._record.account_id, query.symbol, query.limit)

    async def _place(self, command: wire.PlaceOrder) -> Order:
        """Place an order under the name that the process gave it; one that it has placed before is its answer."""
        name = self._record.order_name(LEVEL, command.ticket.client_order_id or "")
        ticket = replace(command.ticket, client_order_id=name)
        mine = wire.PlaceOrder(actor=self._actor, account=self._record.account_id, ticket=ticket)
        async with self.turning:
            self._check_wanted()
            try:
                return await self._desk.place(mine)
            except TradingError as error:
                if error.code == "duplicate_client_order_id":
                    known = await asyncio.to_thread(self._records.named, self._record.account_id, name)
                    if known is not None:
                        return known
                if error.code in ENDING:
                    self._failed(error)
                raise

    async def _cancel(self, command: wire.CancelOrder) -> Order:
        async with self.turning:
            self._check_wanted()
            return await self._desk.cancel(replace(command, actor=self._actor, account=self._record.account_id))

    async def _log(self, entry: wire.AddLogEntry) -> None:
        if not self.is_over:
            await self._store.log(self._record, entry.level, entry.message[:MESSAGE_LENGTH])

    async def _report(self, report: wire.ReportFault) -> None:
        if not self.is_over:
            self._failed(StrategyFault(report.message[:MESSAGE_LENGTH]))

    def _check_wanted(self) -> None:
        if self.is_over:
            raise Conflict("The strategy is not running.", code="strategy_not_running")
