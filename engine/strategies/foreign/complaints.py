"""Errors of OctoBot and a tentacle, written to the strategy's log: OctoBot's callbacks swallow exceptions."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import ccxt
from octobot_trading import errors

from utils.wire import AddLogEntry

OF_THE_MARKET = (ccxt.BaseError, errors.OctoBotExchangeError, errors.OrderCreationError, errors.MissingFunds)
"""Errors that say nothing of the code: an order was refused, or the engine is away."""
MESSAGE_LENGTH = 500
MOST_WAITING = 20


class Complaints(logging.Handler):
    """Keep warnings and errors until they are told, and notice an error of the tentacle's own code."""

    def __init__(self, folder: Path, noticed: Callable[[], None]) -> None:
        """Take what is raised in code below `folder` for the tentacle's own; `noticed` is called for all news."""
        super().__init__(logging.WARNING)
        self._folder = str(folder)
        self._noticed = noticed
        self.waiting: deque[AddLogEntry] = deque(maxlen=MOST_WAITING)
        """The oldest ones go when nobody comes for them."""
        self.fault: str | None = None
        """What the tentacle's code has raised first."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; called on whatever thread logs."""
        error = record.exc_info[1] if record.exc_info else None
        said = record.getMessage() if error is None else f"{record.getMessage()} ({type(error).__name__})"
        message = f"{record.name}: {said}"[:MESSAGE_LENGTH]
        self.waiting.append(
            AddLogEntry(level="error" if record.levelno >= logging.ERROR else "warning", message=message)
        )
        self._noticed()
        if error is not None and self._is_own(error):
            self.take(error)

    def hear(self, task: asyncio.Task[Any]) -> None:
        """Take what a task that has ended raised, if anything."""
        if not task.cancelled():
            self.take(task.exception())

    def take(self, error: BaseException | None) -> None:
        """Take an error for the end of the strategy; the first one counts."""
        if error is not None and self.fault is None:
            self.fault = f"{type(error).__name__}: {error}"
            self._noticed()

    def _is_own(self, error: BaseException) -> bool:
        """Tell whether code of tentacles, not of OctoBot or the market, has raised an error."""
        return (
            isinstance(error, Exception) and not isinstance(error, OF_THE_MARKET) and self._raised(error.__traceback__)
        )

    def _raised(self, raised: TracebackType | None) -> bool:
        return any(frame.filename.startswith(self._folder) for frame in traceback.extract_tb(raised))
