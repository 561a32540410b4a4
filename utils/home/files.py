"""Write the files of a home so that whoever reads them sees the old or the new ones, never half of any."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from utils.errors import Conflict, Overloaded

JOURNAL = ".changes.json"
LOCK = ".lock"
LOCK_SECONDS = 5.0
"""How long a change waits for another one to end."""
READ_SECONDS = 0.5
"""How long a file that is no JSON is read again: OctoBot writes its own changes in place."""
_PAUSE = 0.01


@contextmanager
def locked(root: Path, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Be alone among those who change a home, and finish what a killed one had begun.

    :raises Overloaded: `home_busy` when others hold it for `timeout` seconds.
    """
    with held(root / LOCK, timeout):
        _finish(root)
        yield


@contextmanager
def held(path: Path, timeout: float) -> Iterator[None]:
    """Be alone among the threads and processes that use a lock.

    :raises Overloaded: `home_busy` when others hold it for `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    with path.open("a", encoding="ascii") as file:
        while not _try(file.fileno()):
            if time.monotonic() > deadline:
                detail = "The configuration of the bot is being changed by somebody else."
                raise Overloaded(detail, code="home_busy", retry_after=1)
            time.sleep(_PAUSE)
        yield


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write(root: Path, changes: Mapping[Path, Any]) -> None:
    """Replace files by the JSON of values, all of them or none; None deletes one. Call it under the lock.

    What is to be written is kept in a journal until it is, from where `locked` takes it up after a kill.
    """
    texts = {
        str(path.relative_to(root)): None if value is None else json.dumps(value, indent=4, sort_keys=True)
        for path, value in changes.items()
    }
    if len(texts) > 1:
        _replace(root / JOURNAL, json.dumps(texts))
    for name, text in texts.items():
        _put(root / name, text)
    if len(texts) > 1:
        _put(root / JOURNAL, None)


def _finish(root: Path) -> None:
    journal = root / JOURNAL
    if journal.exists():
        for name, text in json.loads(journal.read_text(encoding="utf-8")).items():
            _put(root / name, text)
        _put(journal, None)


def _put(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
        _sync(path.parent)
    else:
        _replace(path, text)


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> Any:
    """Return what a file holds. :raises Conflict: `home_unreadable` when it is not there, or no JSON object."""
    deadline = time.monotonic() + READ_SECONDS
    while True:
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise Conflict(f"{path.name} cannot be read: {error.strerror}.", code="home_unreadable") from error
        except ValueError as error:
            if time.monotonic() > deadline:
                raise Conflict(f"{path.name} is not JSON.", code="home_unreadable") from error
            time.sleep(_PAUSE)
            continue
        if not isinstance(value, dict):
            raise Conflict(f"{path.name} holds no JSON object.", code="home_unreadable")
        return value
