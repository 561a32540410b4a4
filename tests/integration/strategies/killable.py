"""The engine as a process of its own, to be killed for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from config import Settings
from tests.e2e.running import ROOT, wait_for
from utils.errors import TradingError
from utils.octobot_bridge import OctoBotBridge, UnixTransport


class KillableEngine:
    """`python -m engine` with the settings of a test, on the generated demo market."""

    def __init__(self, settings: Settings, log: Path, **environment: str) -> None:
        self.bridge = OctoBotBridge(UnixTransport(settings.engine_socket), timeout=60)
        self._log = log
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "DATA_DIR": str(settings.data_dir),
            "DATABASE_URL": settings.database_url,
            "SECRET_KEY": settings.secret_key,
            "ENCRYPTION_KEYS": settings.encryption_keys,
            "DEMO_SEED": "7",
            **environment,
        }
        self.process = self._start()

    def kill(self) -> None:
        """Kill it as the kernel does, and start another one."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        self.process = self._start()

    def close(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.wait(30)

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "engine"], cwd=ROOT, env=self._environment, stdout=output, stderr=output
            )
        wait_for(self._answers, 120)
        return process

    def _answers(self) -> bool:
        with suppress(TradingError):
            self.bridge.status()
            return True
        return False
