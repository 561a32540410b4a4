"""The gateway: the engine's lines to the exchanges, and how each of them is."""

from __future__ import annotations

from datetime import datetime

from utils.octobot_bridge import OctoBotBridge
from utils.wire import FeedStatus, Message


class GatewayStatus(Message, frozen=True, kw_only=True):
    """How the engine and its feeds are; `loop_lag` is how late the engine last came to do something, in seconds."""

    engine_started_at: datetime
    loop_lag: float
    exchanges: list[FeedStatus]


class Gateway:
    """Look at the lines to the exchanges."""

    def __init__(self, bridge: OctoBotBridge) -> None:
        self._bridge = bridge

    def status(self) -> GatewayStatus:
        """Return how each exchange's feed is. :raises EngineUnavailable: nobody can tell."""
        status = self._bridge.status()
        return GatewayStatus(engine_started_at=status.started_at, loop_lag=status.loop_lag, exchanges=status.feeds)
