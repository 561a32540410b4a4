"""What the engine says of itself, and how it is asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from utils.wire.base import Message, Request
from utils.wire.market import FeedStatus


class EngineStatus(Message, frozen=True, kw_only=True):
    """What the engine says of itself; `loop_lag` is how late its event loop last ran, in seconds."""

    pid: int
    octobot_version: str
    started_at: datetime
    accounts_in_memory: int
    open_orders: int
    loop_lag: float
    feeds: list[FeedStatus]


class BotConfig(Message, frozen=True, kw_only=True):
    """The configuration OctoBot's accounts run with, without secrets."""

    octobot_version: str
    config: dict[str, Any]


class GetStatus(Request, frozen=True, kw_only=True):
    """Ask how the engine is."""


class GetMetrics(Request, frozen=True, kw_only=True):
    """Read what the engine counts and measures, in Prometheus' text format."""


class ConnectExchange(Request, frozen=True, kw_only=True):
    """Follow an exchange from now on."""

    exchange: str


class DisconnectExchange(Request, frozen=True, kw_only=True):
    """Follow an exchange no more."""

    exchange: str


class DisconnectedExchange(Message, frozen=True, kw_only=True):
    """An exchange that was left, and how many active accounts there rest until it is connected again."""

    exchange: str
    resting_accounts: int


class GetBotConfig(Request, frozen=True, kw_only=True):
    """Read the configuration OctoBot runs with."""
