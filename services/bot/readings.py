"""Holdings, orders and trades of the operator's bot, in the form that users' accounts have."""

from __future__ import annotations

from datetime import datetime

from services.bot.bot import expect
from services.bot.records import BotRecords
from services.trading.filters import Filters
from utils.bot_bridge import BotBridge
from utils.errors import Refused
from utils.pages import Page
from utils.wire import BotQuery, BotResult, GetBotOrders, GetBotResult, GetBotTrades, Order, Portfolio, Trade


class BotReadings:
    """Ask the bot about an exchange that it trades at.

    All methods raise `Conflict`, `bot_stopped` or `bot_failed`, `NotFound`, `unknown_exchange`, when it trades there no
    more, and what `BotBridge` raises while it is away: what it said earlier may not hold any more.
    """

    def __init__(self, records: BotRecords, bridge: BotBridge) -> None:
        self._records = records
        self._bridge = bridge

    def portfolio(self, exchange: str) -> Portfolio:
        """Return what it holds."""
        expect(self._records)
        return self._bridge.portfolio(exchange)

    def orders(self, exchange: str, filters: Filters) -> Page[Order]:
        """Return a page of its open orders. :raises Refused: `closed_orders_not_kept`: OctoBot keeps no others."""
        if filters.status == "closed":
            detail = "The bot keeps no orders that are closed; see its trades."
            raise Refused(detail, code="closed_orders_not_kept")
        expect(self._records)
        return Page.of(self._bridge.orders(_asked(GetBotOrders, exchange, filters)), filters.limit)

    def trades(self, exchange: str, filters: Filters) -> Page[Trade]:
        """Return a page of its trades since it was first started."""
        expect(self._records)
        return Page.of(self._bridge.trades(_asked(GetBotTrades, exchange, filters)), filters.limit)

    def result(self, exchange: str, since: datetime | None = None) -> BotResult:
        """Return what became of what it had there."""
        expect(self._records)
        return self._bridge.result(GetBotResult(exchange=exchange, since=since))


def _asked[Q: BotQuery](kind: type[Q], exchange: str, filters: Filters) -> Q:
    """Return the query of a page, and of one more."""
    return kind(
        exchange=exchange,
        symbol=filters.symbol,
        side=filters.side,
        after=filters.after,
        until=filters.until,
        is_ascending=filters.direction == "asc",
        last_at=None if filters.cursor is None else filters.cursor.created_at,
        last_id="" if filters.cursor is None else filters.cursor.id,
        limit=filters.limit + 1,
    )
