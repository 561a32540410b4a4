"""The log that all processes of an installation write together: a ring of files, one JSON object per line."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

FILE_BYTES = 4 * 1024 * 1024
"""How long a file gets before the next one begins."""
FILES = 5
"""How many files there are; the oldest is overwritten."""
CHECK_SECONDS = 1.0
"""How often a process looks whether another one has begun the next file, and how much the others have written."""


class LogFile:
    """Append lines to the newest file, and begin the next one when it is full.

    Every line is one `write` to a file opened for appending: lines of several processes never mix. A process that has
    not noticed yet that the file was put aside writes into that one, which is still there to be read.
    """

    def __init__(self, directory: Path) -> None:
        self._path = newest(directory)
        self._descriptor: int | None = None
        self._size = 0
        """As it was looked up last, and what this process has written since."""
        self._checked = float("-inf")

    def write(self, line: bytes) -> None:
        """Append `line`, which ends with a line break. :raises OSError: the disk does not take it."""
        now = time.monotonic()
        if self._descriptor is None or now - self._checked >= CHECK_SECONDS:
            self._checked = now
            self._descriptor = self._look()
        if self._size >= FILE_BYTES:
            self._put_aside()
            self._descriptor = self._look()
        os.write(self._descriptor, line)
        self._size += len(line)

    def _look(self) -> int:
        """Return a descriptor of the newest file, and note its size."""
        descriptor = self._opened(self._descriptor)
        self._size = os.fstat(descriptor).st_size
        return descriptor

    def _opened(self, held: int | None) -> int:
        """Return a descriptor of the newest file: the one that is held, when it still is.

        A descriptor is replaced under its own number, so that a thread that is about to write to it still can.
        """
        try:
            if held is not None and os.path.samestat(os.fstat(held), self._path.stat()):
                return held
        except FileNotFoundError:
            pass  # it was put aside a moment ago, or deleted by hand
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if held is None:
            return fresh
        os.dup2(fresh, held, inheritable=False)
        os.close(fresh)
        return held

    def _put_aside(self) -> None:
        """Rename the files, the newest to 1, 1 to 2 …, unless another process or thread has just done it."""
        with self._path.with_name("rotation.lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                if self._path.stat().st_size < FILE_BYTES:
                    return
            except FileNotFoundError:
                return
            files = [self._path, *(_aside(self._path, number) for number in range(1, FILES))]
            for number in range(FILES - 1, 0, -1):
                if files[number - 1].exists():
                    files[number - 1].replace(files[number])


def newest(directory: Path) -> Path:
    """Return the path of the file that is written to."""
    return directory / "log.jsonl"


def lines(directory: Path, since: float) -> Iterator[bytes]:
    """Yield lines, the newest first, of the files that were written to after `since` (seconds since the epoch)."""
    path = newest(directory)
    read = set()  # a file that is put aside meanwhile is met again
    for each in (path, *(_aside(path, number) for number in range(1, FILES))):
        try:
            with each.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_mtime < since:
                    return
                content = b"" if status.st_ino in read else file.read()
                read.add(status.st_ino)
        except FileNotFoundError:
            continue
        yield from reversed(content.splitlines())


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"log.{number}.jsonl")
