"""Whether this installation can do its work."""

from __future__ import annotations

import migrations
from config import DEMO
from models import Database
from services.leases import Leases
from utils.errors import BridgeError, FieldError, NotReady, StorageUnavailable, StreamerUnavailable
from utils.octobot_bridge import OctoBotBridge
from utils.streamer_channel import StreamerChannel
from utils.wire import Message

ENGINE_SECONDS = 1.0
"""How long the engine may take to say that it is there."""

RETRY_AFTER = 2


class Readiness(Message, frozen=True, kw_only=True):
    """What each part says of itself; only ever given out when all of them are ready."""

    database: str = "ready"
    engine: str = "ready"
    feeds: str = "ready"
    streamer: str = "ready"
    worker: str = "ready"


class Health:
    """Look at the parts a request may need."""

    def __init__(self, database: Database, bridge: OctoBotBridge, streamer: StreamerChannel, leases: Leases) -> None:
        self._database = database
        self._bridge = bridge.within(ENGINE_SECONDS)
        self._streamer = streamer
        self._leases = leases

    def check(self) -> Readiness:
        """Return the readiness of every part.

        :raises NotReady: naming each part that is not ready in `errors`.
        """
        database = self._database_faults()
        faults = [*database, *self._engine_faults(), *self._streamer_faults()]
        # the worker tells through the database that it lives
        faults += [] if database else self._worker_faults()
        if faults:
            names = ", ".join(fault.field for fault in faults)
            raise NotReady(f"Not ready: {names}.", errors=tuple(faults), retry_after=RETRY_AFTER)
        return Readiness()

    def _database_faults(self) -> list[FieldError]:
        try:
            if migrations.is_current(self._database):
                return []
        except StorageUnavailable as error:
            return [FieldError(field="database", code=error.code, message=error.detail)]
        return [FieldError(field="database", code="schema_outdated", message="Migrations have not been run.")]

    def _engine_faults(self) -> list[FieldError]:
        try:
            status = self._bridge.status()
        except BridgeError as error:
            return [FieldError(field="engine", code=error.code, message=error.detail)]
        return [
            FieldError(field=f"feeds.{feed.exchange}", code="feed_mute", message="No prices have come yet.")
            for feed in status.feeds
            # a real exchange may be away for hours: what does not need it goes on, so this is no reason to be stopped
            if feed.exchange == DEMO and not feed.connected
        ]

    def _streamer_faults(self) -> list[FieldError]:
        try:
            self._streamer.status()
        except StreamerUnavailable as error:
            return [FieldError(field="streamer", code=error.code, message=error.detail)]
        return []

    def _worker_faults(self) -> list[FieldError]:
        try:
            if self._leases.is_a_worker_alive():
                return []
        except StorageUnavailable as error:
            return [FieldError(field="worker", code=error.code, message=error.detail)]
        return [FieldError(field="worker", code="worker_unavailable", message="No worker has been heard of lately.")]
