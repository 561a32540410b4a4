"""Ports for servers that cannot be asked which one they got."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """Return a port that is free, and stays so until it is used: one that the machine gives to nobody by itself."""
    lowest = int(EPHEMERAL.read_text().split()[0]) if EPHEMERAL.exists() else 49_152
    while True:
        port = random.randrange(min(10_000, lowest // 2), lowest)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def is_open(port: int) -> bool:
    """Tell whether somebody listens."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
