"""Start what is measured: the real product, and a bare Flask app on the same gunicorn with the same settings."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import migrations
from models import Database

ROOT = Path(__file__).resolve().parents[1]
READY = re.compile(r"Trading Backend ready at http://\S+:(\d+) ")
START_SECONDS = 60.0
STOP_SECONDS = 40.0
GUNICORN = (sys.executable, "-m", "gunicorn", "--config", str(ROOT / "supervisor" / "gunicorn_conf.py"))


@dataclass(frozen=True)
class Running:
    """A server on loopback and how long it took to get there, in seconds."""

    port: int
    seconds: float
    pid: int

    def processor_seconds(self) -> float:
        """Return the processor time that its processes which live now have taken so far."""
        return sum(processor_seconds(pid) for pid in self.pids())

    def part(self, module: str) -> int:
        """Return the id of the process that runs `python -m module`."""
        for pid in self.pids():
            if f"-m\0{module}\0" in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
                return pid
        raise RuntimeError(f"{module} does not run")

    def pids(self) -> list[int]:
        """Return the ids of all its processes that live now."""
        pids = [self.pid]
        for pid in pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                pids += map(int, (task / "children").read_text(encoding="ascii").split())
        return pids


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Return the memory that a process takes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def sockets(pid: int) -> int:
    """Return how many sockets a process holds. Files do not count: a thread opens the database when it needs it."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    return sum(1 for link in links if link.is_symlink() and str(link.readlink()).startswith("socket:"))


def free_port() -> int:
    """Return a port of the loopback address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def product(directory: Path, **settings: str) -> Iterator[Running]:
    """Run `python app.py` with its data in `directory`.

    :raises RuntimeError: when it does not get ready.
    """
    environment = {**_environment(directory), "PORT": "0", **settings}
    with _started([sys.executable, str(ROOT / "app.py")], directory, environment) as (process, output, began):
        while True:
            found = READY.search(output.read_text(encoding="utf-8", errors="replace"))
            if found:
                yield Running(int(found[1]), time.monotonic() - began, process.pid)
                return
            _still(process, output, began)


@contextmanager
def bare(directory: Path, **settings: str) -> Iterator[Running]:
    """Run the bare Flask app.

    :raises RuntimeError: when it does not get ready.
    """
    with _answering([*GUNICORN, "benchmarks.bare:create_app()"], directory, free_port(), settings) as running:
        yield running


@contextmanager
def web(directory: Path, **settings: str) -> Iterator[Running]:
    """Run the product's web server alone, on a database of its own; the caller runs an engine, or something like it.

    :raises RuntimeError: when it does not get ready.
    """
    database = Database(f"sqlite:///{directory / 'var' / 'trading.db'}", pool_size=1)
    migrations.upgrade(database)
    database.close()
    with _answering([*GUNICORN, "app:create_app()"], directory, free_port(), settings, "/health/live") as running:
        yield running


@contextmanager
def bare_stream(directory: Path) -> Iterator[Running]:
    """Run the bare writer of streams.

    :raises RuntimeError: when it does not get ready.
    """
    port = free_port()
    with _answering([sys.executable, "-m", "benchmarks.bare_stream", str(port)], directory, port) as running:
        yield running


@contextmanager
def fastapi_stream(directory: Path) -> Iterator[Running]:
    """Run the stream in FastAPI.

    :raises RuntimeError: when it does not get ready.
    """
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "--log-level", "warning", "--backlog", "4096"]
    with _answering([*command, "benchmarks.fastapi_stream:app"], directory, port) as running:
        yield running


@contextmanager
def _answering(
    command: list[str],
    directory: Path,
    port: int,
    settings: Mapping[str, str] | None = None,
    path: str = "/health/ready",
) -> Iterator[Running]:
    directory.mkdir(exist_ok=True)
    environment = {**_environment(directory), "PORT": str(port), **(settings or {})}
    with _started(command, directory, environment) as (process, output, began):
        while not _is_there(port, path):
            _still(process, output, began)
        yield Running(port, time.monotonic() - began, process.pid)


@contextmanager
def _started(
    command: list[str], directory: Path, environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], Path, float]]:
    output = directory / "output.txt"
    began = time.monotonic()
    with output.open("wb") as file:
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process, output, began
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _is_there(port: int, path: str) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=1) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


def _still(process: subprocess.Popen[bytes], output: Path, began: float) -> None:
    if process.poll() is not None or time.monotonic() - began > START_SECONDS:
        raise RuntimeError(f"not ready:\n{output.read_text(encoding='utf-8', errors='replace')[-2000:]}")
    time.sleep(0.01)


def _environment(directory: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(directory), "DATA_DIR": str(directory / "var"), "PYTHONPATH": str(ROOT)}
