"""A streamer with both its doors open, an engine in memory behind it, and the app that hands connections over."""

from __future__ import annotations

import os
import socket as sockets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from config import Settings
from tests.factories import SignedIn
from tests.fake_engine import FakeEngine
from tests.integration.streaming.reader import Reader
from tests.streamer_host import EngineSocket, StreamerHost, until
from utils.octobot_bridge import OctoBotBridge

ROOT = Path(__file__).resolve().parents[3]
Dial = Callable[..., Reader]


@pytest.fixture
def bridge(engine: FakeEngine) -> OctoBotBridge:
    return OctoBotBridge(engine)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, stream_port=0)


@pytest.fixture
def socket(settings: Settings, engine: FakeEngine) -> Iterator[EngineSocket]:
    """The engine, where the streamer looks for it."""
    socket = EngineSocket(settings, engine)
    socket.start()
    yield socket
    socket.close()


@pytest.fixture
def host(settings: Settings, socket: EngineSocket) -> Iterator[StreamerHost]:
    host = StreamerHost(settings).start().wait_until_it_follows()
    yield host
    host.close()


@pytest.fixture
def dial(host: StreamerHost, user: SignedIn) -> Iterator[Dial]:
    """Ask the streamer's own port for a path, as the signed-in user unless told otherwise."""
    opened: list[Reader] = []

    def ask(path: str, *, headers: dict[str, str] | None = None, method: str = "GET", buffer: int = 0) -> Reader:
        assert host.streamer.port is not None
        reader = Reader(("127.0.0.1", host.streamer.port), buffer=buffer)
        opened.append(reader)
        return reader.ask(path, user.headers if headers is None else headers, method)

    yield ask
    for reader in opened:
        reader.close()


@pytest.fixture
def gunicorn(settings: Settings, host: StreamerHost) -> Iterator[tuple[int, tuple[str, int]]]:
    """The app under gunicorn, as the product runs it, with one worker of four threads: its process and its address."""
    listener = sockets.create_server(("127.0.0.1", 0))
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(settings.data_dir),
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": settings.secret_key,
        "ENCRYPTION_KEYS": settings.encryption_keys,
        "RATE_LIMIT_ENABLED": "false",
        "WEB_WORKERS": "1",
        "WEB_THREADS": "4",
    }
    command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "supervisor/gunicorn_conf.py")]
    with closing(listener):
        process = subprocess.Popen(
            [*command, "--bind", f"fd://{listener.fileno()}", "app:create_app()"],
            env=environment,
            pass_fds=[listener.fileno()],
        )
        address: tuple[str, int] = listener.getsockname()

    def is_live() -> bool:
        with suppress(TimeoutError):  # it takes connections before there is a worker
            return Reader(address).ask("/health/live").status == 200
        return False

    try:
        until(is_live, 120)
        yield process.pid, address
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def web(gunicorn: tuple[int, tuple[str, int]]) -> tuple[str, int]:
    """Where gunicorn listens."""
    return gunicorn[1]


@pytest.fixture
def master(gunicorn: tuple[int, tuple[str, int]]) -> int:
    """The process of gunicorn's master."""
    return gunicorn[0]
