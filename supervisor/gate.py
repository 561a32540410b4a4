"""Tell from the bytes that came so far whether a thread can answer a request without waiting for its client."""

from __future__ import annotations

import re
from enum import Enum

MAX_HEAD = 64 * 1024
MAX_GATHERED = 64 * 1024
"""Larger bodies are read by the threads for slow requests, not gathered in memory."""

_END = b"\r\n\r\n"
_BODY = re.compile(rb"\r\n(content-length:[ \t]*([0-9]+)|transfer-encoding:|expect:|upgrade:[ \t]*h2c)", re.IGNORECASE)


class Progress(Enum):
    """How far the bytes of a request have come."""

    PARTIAL = "partial"
    COMPLETE = "complete"
    SLOW = "slow"
    """Reading the rest may take as long as the client likes."""


def progress(gathered: bytes | bytearray) -> Progress:
    """Return how far the request at the beginning of `gathered` has come.

    This only chooses when, and by which thread, a request is read; what it says is up to the HTTP parser.
    """
    end = gathered.find(_END)
    if end < 0:
        return Progress.PARTIAL if len(gathered) <= MAX_HEAD else Progress.SLOW
    length = 0
    for field in _BODY.finditer(gathered, 0, end + 2):
        digits = (field[2] or b"").lstrip(b"0")
        if field[2] is None or len(digits) > len(str(MAX_GATHERED)):
            return Progress.SLOW
        length = max(length, int(digits or b"0"))
    if length > MAX_GATHERED:
        return Progress.SLOW
    return Progress.COMPLETE if len(gathered) >= end + len(_END) + length else Progress.PARTIAL
