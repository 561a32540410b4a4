"""The gateway: the engine's lines to the exchanges, and how each of them is."""

from __future__ import annotations

from datetime import datetime

from models import Database
from services import audit
from services.audit import Origin
from services.principals import Principal
from utils.octobot_bridge import OctoBotBridge
from utils.wire import ConnectExchange, DisconnectedExchange, DisconnectExchange, FeedStatus, Message

CHANGE_SECONDS = 20.0
"""How long the engine may take to connect or leave an exchange."""


class GatewayStatus(Message, frozen=True, kw_only=True):
    """How the engine and its feeds are; `loop_lag` is how late the engine last came to do something, in seconds."""

    engine_started_at: datetime
    loop_lag: float
    exchanges: list[FeedStatus]


class Gateway:
    """Look at the lines to the exchanges, and change which there are."""

    def __init__(self, database: Database, bridge: OctoBotBridge) -> None:
        self._database = database
        self._bridge = bridge
        self._patient = bridge.within(CHANGE_SECONDS)

    def status(self) -> GatewayStatus:
        """Return how each exchange's feed is. :raises EngineUnavailable: nobody can tell."""
        status = self._bridge.status()
        return GatewayStatus(engine_started_at=status.started_at, loop_lag=status.loop_lag, exchanges=status.feeds)

    def connect(self, principal: Principal, origin: Origin, exchange: str) -> FeedStatus:
        """Follow an exchange from now on. :raises Refused: `unknown_exchange`."""
        feed = self._patient.connect_exchange(ConnectExchange(exchange=exchange))
        self._record(principal, origin, "exchange.connected", exchange)
        return feed

    def disconnect(self, principal: Principal, origin: Origin, exchange: str) -> DisconnectedExchange:
        """Follow an exchange no more; accounts there rest until it is connected again.

        :raises NotFound: `unknown_exchange`. :raises Conflict: `exchange_in_use`, `exchange_is_demo`.
        """
        left = self._patient.disconnect_exchange(DisconnectExchange(exchange=exchange))
        self._record(principal, origin, "exchange.disconnected", exchange)
        return left

    def _record(self, principal: Principal, origin: Origin, action: str, exchange: str) -> None:
        with self._database.write() as session:
            audit.record(session, origin, action, user_id=principal.user_id, target=exchange)
