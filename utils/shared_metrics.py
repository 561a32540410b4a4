"""Let several processes count as one: each into files of its own, which whichever of them is asked adds up.

prometheus-client names such files by process ids, so that every restart leaves some behind. Here a process takes the
lowest number that no living process has, and goes on where the last one with that number ended: a counter never goes
back, and there are as many files as processes at a time.
"""

from __future__ import annotations

import fcntl
import os
from itertools import count
from pathlib import Path
from typing import TextIO

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus-client looks for the directory."""

FILE_BYTES = 1024 * 1024
"""Several times what the counts of all routes take."""

_held: list[TextIO] = []


def clear(directory: Path) -> None:
    """Begin at zero: make `directory` if needed, and remove what processes of earlier days have counted."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in directory.glob("*.db"):
        path.unlink(missing_ok=True)


def join(directory: Path) -> None:
    """Count in `directory` from now on; called once, in a process that has not made a metric yet.

    :raises OSError: the disk is full; the process counts for itself.
    """
    lock, number = _take_number(directory)
    for kind in ("counter", "histogram"):
        with (directory / f"{kind}_{number}.db").open("ab") as file:
            # a page of a mapped file that finds no room when it is first written to kills the process (SIGBUS)
            os.posix_fallocate(file.fileno(), 0, FILE_BYTES)
    _held.append(lock)
    os.environ[VARIABLE] = str(directory)
    from prometheus_client import values  # looks at the variable when it is imported

    values.ValueClass = values.MultiProcessValue(lambda: number)


def directory() -> Path | None:
    """Return where this process counts, None when it counts for itself."""
    return Path(os.environ[VARIABLE]) if _held else None


def _take_number(directory: Path) -> tuple[TextIO, int]:
    for number in count(1):
        file = (directory / f"{number}.lock").open("a", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # let go of by the system, however the process ends
        except BlockingIOError:
            file.close()
            continue
        return file, number
    raise AssertionError("numbers do not end")
