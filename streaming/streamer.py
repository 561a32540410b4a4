"""The streamer, wired: feeds from the engine and SQL, clients from two doors."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from config import Settings
from services import StreamServices
from services.streams import permission_for
from streaming.accounts import AccountFeed
from streaming.allowance import Allowance
from streaming.answers import Answer
from streaming.backtests import BacktestFeed
from streaming.candles import CandleFeed
from streaming.client import Client
from streaming.feeds import Feeds
from streaming.handoff import Handoff
from streaming.hub import Hub
from streaming.listener import Listener
from streaming.logs import LogFeed
from streaming.prices import PriceFeed
from streaming.rankings import RankingFeed
from streaming.readers import Readers
from streaming.requests import StreamRequest
from streaming.sse import SseClient
from streaming.subscription import Feed, Subscription
from streaming.websocket import SocketClient
from utils.errors import Forbidden, TradingError
from utils.follow import Caller, FollowPrices, Handover, OpenSocket, StreamerStatus, Wish
from utils.origins import Origins

_log = logging.getLogger(__name__)
SESSION_SECONDS = 2.0
"""How often it is asked which sessions have ended: they are cut within five seconds."""

TICKET_SECONDS = 5.0
KEEP_TICKETS_SECONDS = 240.0
SQL_THREADS = 8
CHECKS_AT_ONCE = 400
"""What a user's WebSockets may ask the engine and the database at once: all that two full ones follow."""

CHECKS_PER_SECOND = 20.0


class Streamer:
    """Write what happens to everybody who follows it."""

    def __init__(self, settings: Settings, services: StreamServices) -> None:
        self._settings = settings
        self._services = services
        self._origins = Origins(settings)
        self._started = time.monotonic()
        self._checks = Allowance(at_once=CHECKS_AT_ONCE, per_second=CHECKS_PER_SECOND)
        # apart, so that those who come need not wait for all who catch up
        self._door_readers = Readers(SQL_THREADS // 2, "doors")
        self._log_readers = Readers(SQL_THREADS // 2, "events")
        self.hub = Hub(most=settings.streams, most_per_user=settings.streams_per_user)
        candles = CandleFeed(self.hub, (), services.market.candle_rows)
        accounts = AccountFeed(self.hub, services.account_events, self._log_readers)
        self.feeds = Feeds(
            prices={},
            candles=candles,
            accounts=accounts,
            backtests=BacktestFeed(self.hub, services.backtest_progress.steps, self._log_readers),
            logs=LogFeed(self.hub, settings.log_dir, services.log_readers.among, self._log_readers),
            strategies=services.strategy_owners.names,
            rankings=RankingFeed(self.hub, services.rankings.top),
            follow=self._follow,
        )
        self._subscriptions: dict[str, Subscription] = {}
        self._handoff = Handoff(settings.streamer_socket, self._handed_over, self.status, self.hub.tasks)
        self._listener = Listener(self._open, self._origins, self.hub.tasks)
        self._background: list[asyncio.Task[None]] = []
        self.port: int | None = None

    async def start(self) -> None:
        """Follow the engine, and open the doors."""
        for exchange in self._settings.exchanges:
            self._follow(exchange)
        self._subscribe(self.feeds.accounts)
        self._spawn(self.feeds.rankings.run(), "rankings")
        self._spawn(self.hub.run(), "clients")
        self._spawn(self._follow_sessions(), "sessions")
        self._spawn(self._keep_tickets(), "tickets")
        self._spawn(self.feeds.backtests.run(), "backtests")
        self._spawn(self.feeds.logs.run(), "logs")
        if self._settings.stream_port is not None:
            self.port = await self._listener.start(self._settings.host, self._settings.stream_port)
            self._spawn(self._listener.run(), "listener")
            _log.info("streams at %s port %d", self._settings.host, self.port)
        self._handoff.start()
        _log.info("streamer ready")

    async def stop(self) -> None:
        """Close the doors, ask every client to come back later, and end."""
        self._handoff.stop()
        self._listener.stop()
        await self.hub.drain()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.hub.tasks.cancel()
        self._door_readers.close()
        self._log_readers.close()
        self.feeds.candles.close()
        self.feeds.rankings.close()
        self._services.close()

    def status(self) -> StreamerStatus:
        """Return what is counted."""
        return StreamerStatus(
            pid=os.getpid(),
            uptime_seconds=time.monotonic() - self._started,
            lag_seconds=self.hub.lag,
            clients=self.hub.counts(),
            topics=self.feeds.topics(),
            deliveries=self.hub.deliveries,
            coalesced=self.hub.coalesced,
            drops=dict(self.hub.drops),
            refusals=dict(self.hub.refusals),
            feeds={name: subscription.holds for name, subscription in self._subscriptions.items()},
        )

    # ----------------------------------------------------------------------------------------------- the two doors

    def _handed_over(self, handover: Handover) -> Client:
        answer = Answer(
            path=handover.path, request_id=handover.request_id, origin=handover.origin, accept=handover.accept
        )
        return self._client(handover.wish, handover.caller, answer)

    async def _open(self, request: StreamRequest, answer: Answer) -> Client:
        wish = request.wish()
        if isinstance(wish, OpenSocket):
            origin = request.headers.get("origin")
            if origin is not None and not self._origins.allows_socket(origin, request.headers.get("host", "")):
                raise Forbidden("Pages of this origin may not open WebSockets.", code="origin_not_allowed")
        caller = await self._door_readers.ask(self._admitted, request, wish)
        return self._client(wish, caller, answer)

    def _admitted(self, request: StreamRequest, wish: Wish | OpenSocket) -> Caller:
        """Return whose request it is, if they may; on a thread for readers."""
        sessions, token, key = self._services.sessions, request.token(), request.key()
        expires_at = ticket = None
        if key is not None:
            principal = self._services.api_keys.principal(key)
        elif token is not None:
            principal, expires_at = sessions.principal(token), sessions.expires_at(token)
        else:
            ticket = request.ticket()
            principal = self._services.tickets.redeem(ticket, for_websocket=request.is_socket)
        if permission_for(wish) not in principal.permissions:
            raise Forbidden(f"This needs the permission {permission_for(wish)}.")
        if not isinstance(wish, OpenSocket) and not self._is_known(wish):
            self._services.streams.check(principal.user_id, wish)
        return Caller(
            user_id=principal.user_id,
            session_id=principal.session_id,
            expires_at=expires_at,
            ticket=None if request.is_socket else ticket,
        )

    def _client(self, wish: Wish | OpenSocket, caller: Caller, answer: Answer) -> Client:
        if isinstance(wish, OpenSocket):
            return SocketClient(self.hub, caller, answer=answer, opening=wish, feeds=self.feeds, check=self._check)
        return SseClient(self.hub, caller, answer=answer, wish=wish, feeds=self.feeds)

    async def _check(self, caller: Caller, wishes: Sequence[Wish]) -> None:
        asked = [wish for wish in wishes if not self._is_known(wish)]
        self._checks.take(caller.user_id, len(asked))
        for wish in asked:
            await self._door_readers.ask(self._services.streams.check, caller.user_id, wish)

    def _is_known(self, wish: Wish) -> bool:
        """Tell whether there is what `wish` names without asking the engine, which may be away or busy."""
        if not isinstance(wish, FollowPrices):
            return False
        feed = self.feeds.prices.get(wish.exchange)
        return feed is not None and feed.knows(wish.symbols)

    # ------------------------------------------------------------------------------------------------- background

    def _follow(self, exchange: str) -> None:
        """Follow the prices and candles of an exchange: of the settings, or one that somebody has asked for since.

        Whether there is such an exchange was asked of the engine; it is quiet while it is not connected.
        """
        feed = self.feeds.prices[exchange] = PriceFeed(exchange, self.hub)
        self.feeds.candles.add(exchange)
        feed.listeners.append(self.feeds.candles.moved[exchange])
        self._subscribe(feed)
        self._spawn(self.feeds.candles.run(exchange), f"candles of {exchange}")

    def _subscribe(self, feed: Feed) -> None:
        subscription = self._subscriptions[feed.name] = Subscription(self._settings.engine_socket, feed)
        self._spawn(subscription.run(), feed.name)

    async def _follow_sessions(self) -> None:
        """Cut the connections of sessions that have ended."""
        while True:
            await asyncio.sleep(SESSION_SECONDS)
            open_sessions = list(self.hub.by_session)
            if open_sessions:
                try:
                    self.hub.cut_sessions(await self._door_readers.ask(self._services.sessions.ended, open_sessions))
                except TradingError as error:
                    _log.warning("which sessions have ended cannot be told: %s", error.detail)

    async def _keep_tickets(self) -> None:
        """Note that tickets are in use, now and then and when their streams break: they serve to come back."""
        noted = time.monotonic()
        while True:
            await asyncio.sleep(TICKET_SECONDS)
            tickets, self.hub.left_tickets = self.hub.left_tickets, set()
            if time.monotonic() - noted >= KEEP_TICKETS_SECONDS:
                noted = time.monotonic()
                tickets |= {client.caller.ticket for client in self.hub.clients if client.caller.ticket is not None}
            if tickets:
                try:
                    await self._door_readers.ask(self._services.tickets.keep, tickets)
                except TradingError as error:
                    _log.warning("tickets cannot be kept: %s", error.detail)
                    self.hub.left_tickets |= tickets

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(_report)
        self._background.append(task)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("%s failed", task.get_name(), exc_info=error)
