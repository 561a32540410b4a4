"""All clients: how many there may be, which are stalled or over; one timer for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Collection

from streaming.client import Client
from streaming.tasks import Tasks
from utils.errors import Overloaded, TooMany, TradingError

_log = logging.getLogger(__name__)
STALLED_SECONDS = 8.0
"""A client that takes nothing for so long is dropped; it resumes by id."""

HEARTBEAT_SECONDS = {"sse": 15, "websocket": 20}
TICK_SECONDS = 1.0
DRAIN_SECONDS = 2.0
SESSION_ENDED = 4401
RESTARTING = 1012
RETRY_AFTER = 5


class Hub:
    """Hold the clients and tend to them once a second."""

    def __init__(self, *, most: int, most_per_user: int) -> None:
        self.clients: set[Client] = set()
        self.tasks = Tasks()
        """What is read for clients that have missed something, and what they ask for."""
        self.paused: dict[Client, float] = {}
        self.by_session: defaultdict[str, set[Client]] = defaultdict(set)
        self.left_tickets: set[str] = set()
        """Tickets whose streams have ended since they were looked at."""
        self.drops: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.deliveries = 0
        self.coalesced = 0
        self.lag = 0.0
        self._most = most
        self._most_per_user = most_per_user
        self._by_user: Counter[str] = Counter()
        self._closing: dict[Client, float] = {}
        # clients take turns: a heartbeat for all of them at once would delay everybody's prices
        self._turns: dict[str, list[set[Client]]] = {
            kind: [set() for _ in range(seconds)] for kind, seconds in HEARTBEAT_SECONDS.items()
        }
        self._ticks = 0
        self._gone = asyncio.Event()
        self._draining = False

    def admit(self, client: Client) -> TradingError | None:
        """Take `client` in, or return why not."""
        error: TradingError | None = None
        if self._draining:
            error = Overloaded("The streamer is about to restart.", code="streamer_stopping", retry_after=1)
        elif self._by_user[client.caller.user_id] >= self._most_per_user:
            detail = f"You have {self._most_per_user} streams open, as many as one user may have."
            error = TooMany(detail, code="too_many_streams", retry_after=RETRY_AFTER)
        elif len(self.clients) >= self._most:
            error = Overloaded(
                "This installation has all the streams open it can carry.",
                code="streams_exhausted",
                retry_after=RETRY_AFTER,
            )
        if error is not None:
            self.refusals[error.code] += 1
            return error
        self.clients.add(client)
        self._by_user[client.caller.user_id] += 1
        self.by_session[client.caller.session_id].add(client)
        turns = self._turns[client.kind]
        client.slot = len(self.clients) % len(turns)
        turns[client.slot].add(client)
        return None

    def forget(self, client: Client) -> None:
        """Let go of a client whose connection is over."""
        self.paused.pop(client, None)
        self._closing.pop(client, None)
        if client not in self.clients:
            return
        self.clients.discard(client)
        if not self.clients:
            self._gone.set()
        self._turns[client.kind][client.slot].discard(client)
        if client.caller.ticket is not None:
            self.left_tickets.add(client.caller.ticket)
        user, session = client.caller.user_id, client.caller.session_id
        self._by_user[user] -= 1
        if not self._by_user[user]:
            del self._by_user[user]
        self.by_session[session].discard(client)
        if not self.by_session[session]:
            del self.by_session[session]

    def await_close(self, client: Client, seconds: float) -> None:
        """Cut the connection unless it has closed by then: a buffer that nobody reads would keep it for ever."""
        self._closing[client] = time.monotonic() + seconds

    def count_drop(self, reason: str) -> None:
        """Count a connection that was ended from this side."""
        self.drops[reason] += 1

    def cut_sessions(self, ended: Collection[str]) -> None:
        """End the connections of sessions that are over."""
        for session in ended:
            for client in list(self.by_session.get(session, ())):
                client.leave(SESSION_ENDED, "session_ended")

    def counts(self) -> dict[str, int]:
        """Return how many clients there are by kind."""
        return {kind: sum(map(len, turns)) for kind, turns in self._turns.items()}

    async def run(self) -> None:
        """Tend to the clients until cancelled."""
        due = time.monotonic()
        while True:
            due = max(due + TICK_SECONDS, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            self.lag = max(time.monotonic() - due, 0.0)
            try:
                self.tick(time.monotonic(), time.time())
            except Exception:
                _log.exception("tending to the clients failed")

    def tick(self, now: float, wall: float) -> None:
        """Drop who is stalled, end what has expired, and let those whose turn it is know that we live."""
        for client, since in list(self.paused.items()):
            if now - since >= STALLED_SECONDS:
                self.count_drop("stalled")
                client.closing = True
                client.transport.abort()  # closing would wait for the buffer
        for client, until in list(self._closing.items()):
            if now >= until:
                client.transport.abort()
        for client in [each for each in self.clients if (each.caller.expires_at or wall) < wall]:
            client.leave(SESSION_ENDED, "credential_expired")
        for turns in self._turns.values():
            for client in list(turns[self._ticks % len(turns)]):
                if not client.is_paused and not client.closing:
                    client.beat()
        self._ticks += 1

    async def drain(self) -> None:
        """Ask every client to come back in a moment, and cut those that do not listen."""
        self._draining = True
        for client in list(self.clients):
            client.leave(RESTARTING, "restart")
        self._gone.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS if self.clients else 0):
                await self._gone.wait()
        for client in list(self.clients):
            client.transport.abort()
