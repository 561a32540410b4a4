"""Clients: one that asks in turn and takes times, and many that ask as fast as they are answered."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ORDERS_SCRIPT = Path(__file__).with_name("orders.lua")


@dataclass(frozen=True)
class Load:
    """What many clients at once got: answers per second, and how long one took in milliseconds."""

    count: int
    rate: float
    p50: float
    p99: float


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int, token: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the answer's body.

        :raises RuntimeError: when the status is none of 2xx.
        """
        encoded = None if body is None else json.dumps(body)
        self._connection.request(method, path, encoded, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if not 200 <= answer.status < 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300].decode(errors='replace')}")
        parsed: dict[str, Any] = json.loads(text)
        return parsed


def times(action: Callable[[], object], count: int, warm_up: int = 20) -> list[float]:
    """Return how long each of `count` actions took, in milliseconds."""
    for _ in range(warm_up):
        action()
    measured = []
    for _ in range(count):
        began = time.perf_counter()
        action()
        measured.append((time.perf_counter() - began) * 1000)
    return measured


def rate(port: int, path: str, token: str = "", *, seconds: int = 5, connections: int = 16) -> float:
    """Return how many requests per second are answered with 2xx, with wrk where it is installed.

    :raises RuntimeError: when requests fail.
    """
    if shutil.which("wrk") is None:
        return _rate_in_python(port, path, token, seconds, connections)
    command = ["wrk", "-t", "2", "-c", str(connections), "-d", f"{seconds}s"]
    command += ["-H", f"Authorization: Bearer {token}"] if token else []
    run = subprocess.run([*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True)
    if re.search(r"Non-2xx|Socket errors: .*(?:connect|read|write) [1-9]", run.stdout):
        raise RuntimeError(f"{path}: {run.stdout}")
    found = re.search(r"Requests/sec: +([\d.]+)", run.stdout)
    if found is None:
        raise RuntimeError(f"{path}: {run.stdout}")
    return float(found[1])


def _rate_in_python(port: int, path: str, token: str, seconds: int, connections: int) -> float:
    counts = [0] * connections
    faults: list[Exception] = []
    end = time.monotonic() + seconds

    def ask(number: int) -> None:
        try:
            client = Client(port, token)
            while time.monotonic() < end:
                client.ask("GET", path)
                counts[number] += 1
        except (RuntimeError, OSError, http.client.HTTPException) as error:
            faults.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise RuntimeError(f"{path}: {faults[0]}")
    return sum(counts) / seconds


def latencies(port: int, path: str, token: str = "", *, seconds: int, connections: int) -> Load:
    """Ask over and over, each client when it was answered; wrk must be installed.

    :raises RuntimeError: when one is not answered with 2xx.
    """
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency"]
    command += ["-H", f"Authorization: Bearer {token}"] if token else []
    return _wrk([*command, f"http://127.0.0.1:{port}{path}"], path)


def orders(
    port: int, path: str, tokens: Path, bodies: list[dict[str, str]], connections: int, *, seconds: int = 8
) -> Load:
    """Post `bodies` in turns, for the users whose tokens the file has, one per line; wrk must be installed.

    :raises RuntimeError: when one is not answered with 2xx.
    """
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency", "-s", str(ORDERS_SCRIPT)]
    command += [f"http://127.0.0.1:{port}{path}", "--", str(tokens), *map(json.dumps, bodies)]
    return _wrk(command, path)


def _wrk(command: list[str], path: str) -> Load:
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    if re.search(r"Non-2xx|Socket errors: .*(?:connect|read|write) [1-9]", run.stdout):
        raise RuntimeError(f"{path}: {run.stdout}")
    rate = re.search(r"Requests/sec: +([\d.]+)", run.stdout)
    count = re.search(r"(\d+) requests in", run.stdout)
    if rate is None or count is None:
        raise RuntimeError(f"{path}: {run.stdout}{run.stderr}")
    return Load(int(count[1]), float(rate[1]), _latency(run.stdout, 50), _latency(run.stdout, 99))


def _latency(output: str, percent: int) -> float:
    """Return a percentile that wrk printed, in milliseconds."""
    found = re.search(rf"^ +{percent}% +([\d.]+)(us|ms|s) *$", output, re.MULTILINE)
    if found is None:
        raise RuntimeError(output)
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def client_name() -> str:
    """Say which load client `rate` uses."""
    return "wrk" if shutil.which("wrk") else f"Python {sys.version_info.major}.{sys.version_info.minor} threads"
