"""What the engine says of itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from utils.wire.base import Message
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
