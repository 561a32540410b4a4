"""Tell long answers of this process that it is about to stop."""

from __future__ import annotations

import threading

stopping = threading.Event()
"""Set once the process was asked to stop: streams end at their next event or heartbeat instead of holding it up."""
