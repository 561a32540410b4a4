"""What OctoBot and a tentacle complain of, told to the strategy's owner; OctoBot's callbacks swallow what is raised."""

from __future__ import annotations

import logging
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import ccxt
from octobot_trading import errors

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
        self.waiting: deque[tuple[str, str]] = deque(maxlen=MOST_WAITING)
        """Levels and messages; the oldest ones go when nobody comes for them."""
        self.fault: str | None = None
        """What the tentacle's code has raised first."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; called on whatever thread logs."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and self.fault is None and self._is_own(error):
            self.fault = f"{type(error).__name__}: {error}"
        level = "error" if record.levelno >= logging.ERROR else "warning"
        said = record.getMessage() if error is None else f"{record.getMessage()} ({type(error).__name__})"
        self.waiting.append((level, f"{record.name}: {said}"[:MESSAGE_LENGTH]))
        self._noticed()

    def _is_own(self, error: BaseException) -> bool:
        """Tell whether code of tentacles, not of OctoBot or the market, has raised an error."""
        return (
            isinstance(error, Exception) and not isinstance(error, OF_THE_MARKET) and self._raised(error.__traceback__)
        )

    def _raised(self, raised: TracebackType | None) -> bool:
        return any(frame.filename.startswith(self._folder) for frame in traceback.extract_tb(raised))
