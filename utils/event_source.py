"""What a browser's `EventSource` needs: it gives up for good at any status but 200, so it is told to wait in one."""

from __future__ import annotations

import random

from utils.errors import TradingError
from utils.problems import retry_after_of, status_of

MEDIA_TYPE = "text/event-stream"
TEMPORARY = frozenset({502, 503, 504})
"""The statuses of what may succeed later."""


def is_event_source(accept: str | None) -> bool:
    """Tell by its header `Accept` whether a client is an `EventSource`, or wants to be treated as one."""
    return accept is not None and MEDIA_TYPE in accept.lower()


def wait_instead(error: TradingError, accept: str | None) -> bytes | None:
    """Return a stream that says nothing but when to come back, None when `error` has to be told as it is."""
    status = status_of(error)
    if status not in TEMPORARY or not is_event_source(accept):
        return None
    wait = 1000 * (retry_after_of(error, status) or 1)
    return b"retry: %d\n\n" % random.randint(wait, 2 * wait)  # noqa: S311 - not all of them at once
