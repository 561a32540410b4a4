"""The product as the benchmarks of streams run it, and an observer of what its engine publishes."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.seed import SYMBOL, sign_in
from benchmarks.servers import Running, free_port, product
from utils.errors import EngineUnavailable
from utils.octobot_bridge import OctoBotBridge, UnixTransport
from utils.streamer_channel import StreamerChannel
from utils.wire import Subscribe

USERS = 250
PATH = f"/api/stream/prices?symbols={SYMBOL}"
SOCKET_PATH = "/ws/market"
SUBSCRIBE = f'{{"action":"subscribe","channel":"prices","symbols":["{SYMBOL}"]}}'
TICK_SECONDS = 0.1


@dataclass(frozen=True)
class Streaming:
    """The running product: `web` hands streams over, `stream_port` is the streamer's own."""

    web: Running
    stream_port: int
    streamer: int
    """The process that writes to all clients."""
    tokens: list[str]
    channel: StreamerChannel
    bridge: OctoBotBridge


@contextmanager
def streaming_product(**settings: str) -> Iterator[Streaming]:
    """Run the product with a price of every market ten times a second, and users who are signed in."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, secret, port = Path(name), secrets.token_hex(32), free_port()
        var = folder / "var"
        var.mkdir()
        tokens = sign_in(f"sqlite:///{var / 'trading.db'}", secret, USERS)
        ours = {
            "SECRET_KEY": secret,
            "STREAM_PORT": str(port),
            "STREAMS": "20000",
            "STREAMS_PER_USER": "1000",
            "RATE_LIMIT_ENABLED": "false",
            "DEMO_TICK_SECONDS": str(TICK_SECONDS),
            "LOG_LEVEL": "WARNING",
        }
        with product(folder, **{**ours, **settings}) as web:
            yield Streaming(
                web=web,
                stream_port=port,
                streamer=web.part("streaming"),
                tokens=tokens,
                channel=StreamerChannel(var / "streamer.sock"),
                bridge=OctoBotBridge(UnixTransport(var / "engine.sock")),
            )


class Observer:
    """Follow the engine itself, beside the streamer, and note which prices it publishes."""

    def __init__(self, bridge: OctoBotBridge) -> None:
        self._moments: dict[int, float] = {}
        self._bridge = bridge
        threading.Thread(target=self._follow, daemon=True).start()

    def seen(self, begin: float, end: float) -> set[int]:
        """Return the ids of the prices that were made between two moments (Unix seconds)."""
        return {event for event, moment in list(self._moments.items()) if begin <= moment < end}

    def _follow(self) -> None:
        with suppress(EngineUnavailable):  # the end
            for event in self._bridge.subscribe(Subscribe(exchange="demo", symbols=[SYMBOL])):
                if event is not None and event.payload is not None:
                    self._moments[event.id] = event.payload.as_of.timestamp()
