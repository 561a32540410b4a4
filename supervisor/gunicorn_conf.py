"""Configure gunicorn, supervised or alone: `gunicorn -c supervisor/gunicorn_conf.py "app:create_app()"`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from gunicorn.glogging import Logger

from config import Settings
from utils import drain, lifeline, logs, shared_metrics

ORPHAN_SECONDS = 3.0
"""How long requests may still take when the supervisor is gone."""

settings = Settings.from_env()

METRICS = settings.data_dir / "metrics"
"""Where the workers keep their counts."""

bind = [f"{settings.host}:{settings.port}"]
backlog = 2048
worker_class = "supervisor.web_worker.WebWorker"
workers = settings.web_workers
threads = settings.web_threads
keepalive = 75
timeout = 60
graceful_timeout = 25
preload_app = False
# Who is in front is told by TRUSTED_PROXIES alone, and never decides what path was asked for.
forwarded_allow_ips = ""
forwarder_headers = ""
# By default it would be opened below the home folder, for every installation of this user the same.
control_socket_disable = True
# Heartbeat files on a disk can block a worker while the disk is busy.
worker_tmp_dir = next((path for path in ("/dev/shm",) if Path(path).is_dir()), None)  # noqa: S108
accesslog = None  # the application writes a line per request, with user and route
loglevel = "warning" if settings.log_level == "INFO" else settings.log_level.lower()
proc_name = "trading-backend"


class RoutedLogger(Logger):  # type: ignore[misc]
    """Hand gunicorn's lines to the same handler as everybody else's."""

    def setup(self, cfg: Any) -> None:
        """Configure the process's logging instead of gunicorn's own."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        logs.configure(settings, "api")

    def exception(self, msg: str, *args: Any, **options: Any) -> None:
        """Log what went wrong with its trace; a client that takes nothing is nothing that went wrong here."""
        if isinstance(sys.exception(), TimeoutError | BlockingIOError):
            self.info("a client took nothing of its answer and was dropped")
        else:
            super().exception(msg, *args, **options)


logger_class = RoutedLogger


def on_starting(_arbiter: Any) -> None:
    """Count from zero."""
    shared_metrics.clear(METRICS)


def post_fork(_arbiter: Any, worker: Any) -> None:
    """Let the workers' counts be added up, and the engine and the streamer go first where processors are short."""
    os.nice(settings.web_nice)
    try:
        shared_metrics.join(METRICS)
    except OSError as error:
        worker.log.warning("the counts of this process are its own alone: %s", error)


def when_ready(_arbiter: Any) -> None:
    """Stop the master with its supervisor."""
    if lifeline.watch(_leave):
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def post_worker_init(worker: Any) -> None:
    """Stop a worker with its supervisor, and let its streams know when it drains."""
    if lifeline.watch(lambda: _end_after(ORPHAN_SECONDS)):
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def finish(number: int, frame: FrameType | None) -> None:
        drain.stopping.set()
        worker.handle_exit(number, frame)

    signal.signal(signal.SIGTERM, finish)


def _leave() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    _end_after(ORPHAN_SECONDS + 0.5)


def _end_after(seconds: float) -> None:
    # A thread that hangs in a request must not keep the process.
    timer = threading.Timer(seconds, os._exit, (0,))
    timer.daemon = True
    timer.start()
