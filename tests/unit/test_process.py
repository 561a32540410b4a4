"""One process of a kind per data directory, which ends when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from utils import lifeline, process

ROOT = Path(__file__).resolve().parents[2]
WAITING = """
import asyncio, sys
import uvloop
from utils import process

async def run():
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    process.at_end(lambda: loop.call_soon_threadsafe(ended.set))
    print("waiting", flush=True)
    await asyncio.wait_for(ended.wait(), 60)
    print("ended")

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(run())
"""


def test_there_is_one_of_a_kind(tmp_path: Path) -> None:
    directory = tmp_path / "var"
    first = process.take(directory, "engine")
    assert first is not None
    assert directory.stat().st_mode & 0o777 == 0o700
    with first:
        first.write("42")
        first.flush()
        assert process.take(directory, "engine") is None
        other = process.take(directory, "worker")
        assert other is not None
        other.close()
    second = process.take(directory, "engine")
    assert second is not None
    with second:
        second.seek(0)
        assert second.read() == "42"  # whoever came in vain has left it alone


@contextmanager
def waiting(supervisor: int | None = None) -> Iterator[subprocess.Popen[str]]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    if supervisor is not None:
        environment[lifeline.VARIABLE] = str(supervisor)
    with subprocess.Popen(
        [sys.executable, "-c", WAITING],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=[] if supervisor is None else [supervisor],
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "waiting\n"
        yield started


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_alone_it_ends_at_a_signal(number: signal.Signals) -> None:
    with waiting() as alone:
        alone.send_signal(number)
        assert alone.communicate(timeout=60) == ("ended\n", None)
    assert alone.returncode == 0


def test_supervised_it_ends_with_its_supervisor_and_at_no_signal() -> None:
    reading, writing = os.pipe()
    with waiting(reading) as supervised:
        os.close(reading)
        supervised.send_signal(signal.SIGTERM)
        supervised.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            supervised.wait(0.3)
        os.close(writing)
        assert supervised.communicate(timeout=60) == ("ended\n", None)
    assert supervised.returncode == 0
