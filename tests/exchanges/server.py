"""A loopback exchange as a server: one thread with its own event loop, faults between the client and the book.

    with LoopbackBinance() as exchange:                     # or LoopbackKucoin, both listen on a free port
        key = exchange.add_key(key="…", secret="…", account="main")
        exchange.book.deposit("main", "USDT", "1000")
        client = ccxt.async_support.binance(exchange.ccxt_config(key))
        exchange.faults.add(Fault("error", on="place", status=502, count=1))
        …
        assert [order.client_id for order in exchange.book.orders()] == […]

`exchange.url` is where it listens, `exchange.urls` what ccxt needs as `urls["api"]`, `exchange.seen` every request,
`exchange.settle()` waits until late arrivals have been carried out. The same can be steered over HTTP, see `control`.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
import urllib.parse
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar, NoReturn, Self

import ccxt.async_support
from aiohttp import web

from tests.exchanges.book import Book
from tests.exchanges.faults import Fault, Faults
from tests.exchanges.market import Market
from tests.exchanges.protocol import Answer, Call, Key, Permission, Refusal, Route, Seen

# what a client of ccxt waits for when it is closed is TLS, and here is none
ccxt.async_support.Exchange.timeout_on_exit = 0

TIMEOUT = 10
PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


class Loopback(ABC):
    """A server that speaks an exchange's protocol on 127.0.0.1."""

    name: ClassVar[str]

    def __init__(self, markets: Sequence[Market] | None = None, *, port: int = 0, seed: int = 0) -> None:
        """Prepare the exchange; it listens from `start` (or `with`) on.

        :param seed: of the draws by which faults with a probability strike
        """
        self.skew = 0.0
        self.book = self.new_book(markets)
        self.faults = Faults(seed)
        self.keys: dict[str, Key] = {}
        self.seen: deque[Seen] = deque(maxlen=200_000)
        self._port = port
        self._late: set[asyncio.Task[None]] = set()
        self._last: dict[str, Answer] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name=f"loopback {self.name}")
        self._let_go = asyncio.Event()
        self._runner: web.AppRunner | None = None

    # What an exchange is.

    @abstractmethod
    def new_book(self, markets: Sequence[Market] | None) -> Book:
        """Return the book of this exchange, with these or its usual markets."""

    @abstractmethod
    def routes(self) -> Sequence[Route[Any]]:
        """Return the endpoints."""

    @abstractmethod
    def authenticate(self, call: Call, permission: Permission) -> Key:
        """Return the key of a signed call.

        :raises Refusal: the call is not signed well, too old, or its key may not do it
        """

    @abstractmethod
    def failure(self, fault: Fault) -> Answer:
        """Return the answer of a fault of kind `error`, `limit` or `ban`."""

    @abstractmethod
    def not_found(self, call: Call) -> Answer:
        """Return what the exchange says to an endpoint that it does not have."""

    def open_futures(self, deposits: Sequence[str]) -> None:
        """Have perpetuals, with `deposits` (`USDT=1`) for the account `main`. :raises ValueError: it has spot alone."""
        raise ValueError(f"{self.name} has no perpetuals for {', '.join(deposits)}")

    def success(self, body: Any) -> Any:
        """Return the envelope around what a handler returned."""
        return body

    def fields(self, body: str) -> dict[str, Any]:
        """Return the fields of a request's body."""
        return dict(urllib.parse.parse_qsl(body, keep_blank_values=True))

    # What a test does with it.

    def start(self) -> Self:
        """Listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(TIMEOUT)
        return self

    def stop(self) -> None:
        """Close every connection; what was to arrive late never does. Once more does nothing."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(TIMEOUT)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT)
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def urls(self) -> dict[str, str]:
        """What ccxt is to use as `urls["api"]`."""
        real: dict[str, str] = getattr(ccxt.async_support, self.name)().urls["api"]
        return {name: re.sub(r"^https?://[^/]+", self.url, url) for name, url in real.items()}

    def ccxt_config(self, key: Key | None = None, **options: Any) -> dict[str, Any]:
        """Return what the real ccxt class needs to trade here with `key`."""
        secrets = {"apiKey": key.key, "secret": key.secret, "password": key.passphrase} if key else {}
        return {**secrets, "urls": {"api": self.urls}, "enableRateLimit": False, **options}

    def add_key(
        self,
        key: str,
        secret: str,
        passphrase: str = "",
        account: str = "main",
        permissions: Sequence[Permission] = ("read", "trade"),
    ) -> Key:
        """Open the account to one more key (or change this one)."""
        self.keys[key] = Key(key, secret, passphrase, account, frozenset(permissions))
        return self.keys[key]

    def now(self) -> int:
        """Return the exchange's own time in ms."""
        return int((time.time() + self.skew) * 1000)

    def let_go(self) -> None:
        """Answer now what a fault stalls or hangs, and let what is late arrive."""

        def release() -> None:
            self._let_go.set()
            self._let_go.clear()

        self._loop.call_soon_threadsafe(release)

    def settle(self, seconds: float = TIMEOUT) -> None:
        """Wait until everything that arrives late has been carried out."""
        end = time.monotonic() + seconds
        while self._late:
            if time.monotonic() > end:
                raise TimeoutError(f"{len(self._late)} requests are still under way")
            time.sleep(0.01)

    # How it works.

    async def _start(self) -> None:
        from tests.exchanges.control import add_controls

        application = web.Application()
        add_controls(application, self)
        for route in self.routes():
            application.router.add_route(route.method, route.path, self._endpoint(route))
        application.router.add_route("*", "/{path:.*}", self._unknown)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        for task in self._late:
            task.cancel()
        self._let_go.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _unknown(self, request: web.Request) -> web.StreamResponse:
        return _response(self.not_found(await self._read(request)))

    def _endpoint(self, route: Route[Any]) -> Any:
        async def endpoint(request: web.Request) -> web.StreamResponse:
            call = await self._read(request)
            fault = self.faults.strike(route.group)
            return await self._serve(route, call, fault, request)

        return endpoint

    async def _read(self, request: web.Request) -> Call:
        body = await request.text()
        params = {**request.query, **self.fields(body), **request.match_info}
        return Call(request.method, request.path, request.raw_path, body, params, request.headers)

    async def _serve(
        self, route: Route[Any], call: Call, fault: Fault | None, request: web.Request
    ) -> web.StreamResponse:
        if fault is not None and fault.kind == "stuck" and call.target in self._last:
            answer = self._last[call.target]
            self._note(route, call, fault.kind, None, answer)
            return _response(answer)
        if fault is None or fault.kind == "stuck":
            answer = self._carry_out(route, call)
            if route.group == "market":
                self._last[call.target] = answer
            self._note(route, call, None, answer, answer)
            return _response(answer)
        accepted = fault.accept and fault.kind not in ("refuse", "late", "limit", "ban")
        own = self._carry_out(route, call) if accepted else None
        if fault.kind == "late":
            self._carry_out_later(route, call, fault.seconds)
        reply = self._reply(fault, own)
        self._note(route, call, fault.kind, own, reply)
        if fault.kind in ("stall", "hang"):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._let_go.wait(), fault.seconds if fault.kind == "stall" else None)
        if reply is None:
            _cut(request)
        if fault.kind == "truncated":
            await _truncate(reply, request)
        return _response(reply)

    def _reply(self, fault: Fault, own: Answer | None) -> Answer | None:
        """Return what the client gets to read; `own` is the right answer if the call was carried out."""
        if fault.kind in ("error", "limit", "ban"):
            return self.failure(fault)
        if fault.kind == "garbage":
            return Answer(PAGE.format("Just a moment..."))
        return own if fault.kind in ("stall", "truncated") else None

    def _carry_out(self, route: Route[Any], call: Call) -> Answer:
        """Do what the call asks for, as the real exchange would."""
        try:
            key = self.authenticate(call, route.permission) if route.permission else _NOBODY
            with self.book.lock:
                body = route.handler(self, call, key)
        except Refusal as refusal:
            return refusal.answer
        return body if isinstance(body, Answer) else Answer(self.success(body))

    def _carry_out_later(self, route: Route[Any], call: Call, seconds: float) -> None:
        async def later() -> None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._let_go.wait(), seconds)
            self._note(route, call, "late", self._carry_out(route, call), None)

        task = self._loop.create_task(later())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _note(self, route: Route[Any], call: Call, fault: str | None, own: Answer | None, reply: Answer | None) -> None:
        moment, params = time.monotonic(), dict(call.params)
        statuses = (own.status if own else None, reply.status if reply else None)
        self.seen.append(Seen(moment, route.group, call.method, call.path, params, fault, *statuses))


_NOBODY = Key("", "")


def _response(answer: Answer) -> web.Response:
    if isinstance(answer.body, str):
        return web.Response(status=answer.status, text=answer.body, content_type="text/html", headers=answer.headers)
    return web.Response(
        status=answer.status, text=_json(answer.body), content_type="application/json", headers=answer.headers
    )


def _json(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"))


def _cut(request: web.Request) -> NoReturn:
    """Close the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError


async def _truncate(answer: Answer, request: web.Request) -> NoReturn:
    """Send the beginning of an answer, then close the connection."""
    whole = _json(answer.body).encode()
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
    response.content_length = len(whole)
    await response.prepare(request)
    await response.write(whole[: len(whole) // 2])
    await asyncio.sleep(0.01)
    _cut(request)
