"""The operator's bot: a whole OctoBot in a process of its own, how it is, and what it holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from utils.wire.base import Message, Request
from utils.wire.trading import Mode, Order, Portfolio, Trade

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
    symbols: list[str]
    trading_modes: list[BotTrading]


class BotReport(Message, frozen=True, kw_only=True):
    """What a bot that runs says of itself; `evaluators` are the active ones, `notifiers` those that tell."""

    pid: int
    octobot_version: str
    started_at: datetime
    is_paused: bool
    profile: str
    exchanges: list[BotExchange]
    evaluators: list[str]
    notifiers: list[str]


class BotAccount(Message, frozen=True, kw_only=True):
    """One of the bot's exchanges as an account; orders and trades name it by `id`."""

    id: str
    name: str
    mode: Mode
    exchange: str
    type: str
    kind: str
    status: str
    reference_currency: str
    created_at: datetime
    portfolio: Portfolio


class GetBotReport(Request, frozen=True, kw_only=True):
    """Ask the bot how it is."""


class PauseBot(Request, frozen=True, kw_only=True):
    """Let the bot trade, or not: while it is paused it makes, changes and cancels no order."""

    is_paused: bool


class GetBotAccounts(Request, frozen=True, kw_only=True):
    """Read what the bot holds at each of its exchanges."""


class GetBotOrders(Request, frozen=True, kw_only=True):
    """Read the bot's open orders, the newest first; `exchange` None means at all of them."""

    exchange: str | None = None


class GetBotTrades(Request, frozen=True, kw_only=True):
    """Read the bot's trades, the newest first; `exchange` None means at all of them."""

    exchange: str | None = None
    limit: int = 50


class NotifyBot(Request, frozen=True, kw_only=True):
    """Let the bot's notifiers tell something, and return their names; under the same `id` each tells it once."""

    id: str
    text: str
    category: NoticeCategory = "global-info"
    level: NoticeLevel = "info"


BotRequest = GetBotReport | PauseBot | GetBotAccounts | GetBotOrders | GetBotTrades | NotifyBot

BOT_ANSWERS: dict[type[Request], Any] = {
    GetBotReport: BotReport,
    PauseBot: BotReport,
    GetBotAccounts: list[BotAccount],
    GetBotOrders: list[Order],
    GetBotTrades: list[Trade],
    NotifyBot: list[str],
}
