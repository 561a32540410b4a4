"""Start the product, or a stand-in for it, as a process of its own and look at all its processes from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"Trading Backend ready at (http://\S+) ")
# What the developer's own shell has set must not reach the server under test.
PASSED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONDONTWRITEBYTECODE", "COVERAGE_PROCESS_START")


class Server:
    """One started server; every process that descends from it carries the same mark in its environment."""

    def __init__(self, directory: Path, *, command: list[str] | None = None, **settings: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._mark = f"mark-{uuid.uuid4()}"
        self.output_file = directory / f"output-{self._mark}.txt"
        environment = {name: os.environ[name] for name in PASSED if name in os.environ}
        environment |= {"HOME": str(directory), "DATA_DIR": str(directory / "var"), "PORT": "0", "WEB_WORKERS": "2"}
        # on a machine that tests beside it, the web server would wait for the other tests
        environment |= {"PYTHONPATH": str(ROOT), "SERVER_MARK": self._mark, "WEB_NICE": "0", **settings}
        with self.output_file.open("wb") as output:
            self.process = subprocess.Popen(
                command or [sys.executable, str(ROOT / "app.py")],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.output_file.read_text(encoding="utf-8", errors="replace")

    @property
    def address(self) -> str:
        found = READY.search(self.output)
        assert found, self.output
        return found[1]

    def wait_ready(self, seconds: float = 120) -> Server:
        wait_for(lambda: READY.search(self.output) or self.process.poll() is not None, seconds, self)
        assert self.process.poll() is None, self.output
        return self

    def get(self, path: str, timeout: float = 60) -> str:
        with urllib.request.urlopen(self.address + path, timeout=timeout) as answer:
            text: str = answer.read().decode()
            return text

    def pids(self) -> set[int]:
        """Return the ids of every living process of this server, its own included."""
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
                    if alive and f"SERVER_MARK={self._mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                        found.add(int(entry.name))
        return found

    def wait(self, seconds: float = 60) -> int:
        return self.process.wait(seconds)

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        end = time.monotonic() + 10
        # Again and again: a supervisor may just have started another part, and the killed take a moment to go.
        while (pids := self.pids()) and time.monotonic() < end:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)


def wait_for[T](condition: Callable[[], T], seconds: float, server: Server | None = None) -> T:
    """Return the first truthy value of `condition`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s\n{server.output if server else ''}"
        time.sleep(0.05)
