"""The operator's bot: a whole OctoBot in a process of its own, how it is, and what it holds."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from utils.wire.base import Message, Request
from utils.wire.trading import Mode, Order, OrderType, Portfolio, Side, Trade

BotState = Literal["stopped", "starting", "running", "paused", "stopping", "error"]
BotMove = Literal["start", "stop", "restart", "pause", "resume"]
NoticeCategory = Literal["global-info", "price-alerts", "trades"]
"""Which switch of OctoBot's configuration, under `notification`, lets something be told."""

NoticeLevel = Literal["info", "warning", "error"]


class BotTrading(Message, frozen=True, kw_only=True):
    """A trading mode at work on an exchange; `symbol` is None when it trades all of them. `settings` are redacted."""

    name: str
    symbol: str | None
    settings: dict[str, Any]


class BotExchange(Message, frozen=True, kw_only=True):
    """An exchange that the bot trades at."""

    exchange: str
    type: str
    mode: Mode
    reference_currency: str
    symbols: list[str]
    trading_modes: list[BotTrading]


class LeftOrder(Message, frozen=True, kw_only=True):
    """An order that the bot left at a real exchange when it ended, as it was at `seen_at`; it may have filled since."""

    exchange: str
    exchange_order_id: str | None
    symbol: str
    side: Side
    type: OrderType
    remaining: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    seen_at: datetime


class BotReport(Message, frozen=True, kw_only=True):
    """What a bot that runs says of itself; `evaluators` are the active ones, `notifiers` those that tell.

    `open_orders` is how many rest at all of its exchanges.
    """

    pid: int
    octobot_version: str
    started_at: datetime
    is_paused: bool
    open_orders: int
    profile: str
    exchanges: list[BotExchange]
    evaluators: list[str]
    notifiers: list[str]


class BotValue(Message, frozen=True, kw_only=True):
    """What the bot had at an exchange at a moment, in its reference currency."""

    at: datetime
    value: Decimal


class BotResult(Message, frozen=True, kw_only=True):
    """What became of what the bot had at an exchange, as far as OctoBot remembers it.

    `values` begin with what was there when the bot was first started, and end now. `trades` and `fees` are those since
    a moment, `gains` what closed since then won, where OctoBot knows what was closed.
    """

    values: list[BotValue]
    trades: int
    fees: dict[str, Decimal]
    gains: list[Decimal]
    unrealized_pnl: Decimal | None


class GetBotReport(Request, frozen=True, kw_only=True):
    """Ask the bot how it is."""


class PauseBot(Request, frozen=True, kw_only=True):
    """Let the bot trade, or not: while it is paused it makes, changes and cancels no order."""

    is_paused: bool


class CancelBotOrders(Request, frozen=True, kw_only=True):
    """Let the bot cancel all its open orders, also while it is paused; answered when that is begun."""


class GetBotPortfolio(Request, frozen=True, kw_only=True):
    """Read what the bot holds at an exchange."""

    exchange: str


class BotQuery(Request, frozen=True, kw_only=True):
    """Which orders or trades of the bot at an exchange are wanted; `after` and `until` bound `created_at`.

    They come newest first unless `is_ascending`, beginning behind the one that was made at `last_at` and is `last_id`.
    """

    exchange: str
    symbol: str | None = None
    side: Side | None = None
    after: datetime | None = None
    until: datetime | None = None
    is_ascending: bool = False
    last_at: datetime | None = None
    last_id: str = ""
    limit: int = 50


class GetBotOrders(BotQuery, frozen=True, kw_only=True):
    """Read the bot's open orders."""


class GetBotTrades(BotQuery, frozen=True, kw_only=True):
    """Read the bot's trades."""


class GetBotResult(Request, frozen=True, kw_only=True):
    """Read what became of what the bot had at an exchange; None means since it was first started."""

    exchange: str
    since: datetime | None = None


class NotifyBot(Request, frozen=True, kw_only=True):
    """Let the bot's notifiers tell something, and return their names; under the same `id` each tells it once."""

    id: str
    text: str
    category: NoticeCategory = "global-info"
    level: NoticeLevel = "info"


BotRequest = (
    GetBotReport | PauseBot | CancelBotOrders | GetBotPortfolio | GetBotOrders | GetBotTrades | GetBotResult | NotifyBot
)

BOT_ANSWERS: dict[type[Request], Any] = {
    GetBotReport: BotReport,
    PauseBot: BotReport,
    CancelBotOrders: BotReport,
    GetBotPortfolio: Portfolio,
    GetBotOrders: list[Order],
    GetBotTrades: list[Trade],
    GetBotResult: BotResult,
    NotifyBot: list[str],
}


def bot_account(exchange: str) -> str:
    """Return the id of the account that the bot has at an exchange."""
    return f"bot-{exchange}"
