"""Start what is measured: the real product, and a bare Flask app on the same gunicorn with the same settings."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
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


@dataclass(frozen=True)
class Running:
    """A server on loopback and how long it took to get there, in seconds."""

    port: int
    seconds: float
    pid: int

    def processor_seconds(self) -> float:
        """Return the processor time that its processes which live now have taken so far."""
        pids, spent = [self.pid], 0.0
        for pid in pids:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            spent += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            for task in Path(f"/proc/{pid}/task").iterdir():
                pids += map(int, (task / "children").read_text(encoding="ascii").split())
        return spent


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
    with _gunicorn("benchmarks.bare:create_app()", directory, settings) as running:
        yield running


@contextmanager
def web(directory: Path, **settings: str) -> Iterator[Running]:
    """Run the product's web server alone, on a database of its own; the caller runs an engine, or something like it.

    :raises RuntimeError: when it does not get ready.
    """
    database = Database(f"sqlite:///{directory / 'var' / 'trading.db'}", pool_size=1)
    migrations.upgrade(database)
    database.close()
    with _gunicorn("app:create_app()", directory, settings) as running:
        yield running


@contextmanager
def _gunicorn(application: str, directory: Path, settings: dict[str, str]) -> Iterator[Running]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "supervisor" / "gunicorn_conf.py"), application]
    environment = {**_environment(directory), "PORT": str(port), **settings}
    with _started(command, directory, environment) as (process, output, began):
        while not _is_live(port):
            _still(process, output, began)
        yield Running(port, time.monotonic() - began, process.pid)


def _is_live(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/live", timeout=1) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


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


def _still(process: subprocess.Popen[bytes], output: Path, began: float) -> None:
    if process.poll() is not None or time.monotonic() - began > START_SECONDS:
        raise RuntimeError(f"not ready:\n{output.read_text(encoding='utf-8', errors='replace')[-2000:]}")
    time.sleep(0.01)


def _environment(directory: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(directory), "DATA_DIR": str(directory / "var"), "PYTHONPATH": str(ROOT)}
