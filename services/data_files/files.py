"""Where uploaded candles are kept: files named after the upload, in a folder of the data directory."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from utils.recorded_candles import Candles, path_of, to_csv

ORPHAN_SECONDS = 3600.0
"""How old a file is before it is taken for forgotten: its row is written a moment after it."""


class Folder:
    """Write and forget files, one for each series of an upload."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> Path:
        """Make sure that the folder is there."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.path

    def write(self, file_id: str, series: Iterable[Candles]) -> int:
        """Write the series of an upload, and return how many bytes they take."""
        self.make()
        size = 0
        for number, candles in enumerate(series):
            path = path_of(self.path, file_id, number)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.writelines(to_csv(candles))
                file.flush()
                os.fsync(descriptor)
                size += os.fstat(descriptor).st_size
        return size

    def delete(self, file_id: str) -> None:
        """Delete the files of an upload, as far as they are there."""
        for path in self.path.glob(f"{file_id}-*.csv"):
            path.unlink(missing_ok=True)

    def forget_others(self, kept: Collection[str]) -> None:
        """Delete files that belong to none of the uploads `kept`, but for young ones."""
        old = time.time() - ORPHAN_SECONDS
        for path in self.path.glob("*"):
            if path.name.rpartition("-")[0] not in kept and path.stat().st_mtime < old:
                path.unlink(missing_ok=True)
