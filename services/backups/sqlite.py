"""Backups of a SQLite file: a file of the same kind."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import migrations
from models import Database
from services import verification
from services.backups import disk
from services.verification import Difference
from utils import clock
from utils.errors import Conflict, NotFound, Refused, StorageUnavailable

SUFFIX = ".db"
SIDE_FILES = ("-wal", "-shm")


def save(database: Database, file: Path) -> list[Difference]:
    """Copy the database into `file` and return the differences in the copy's books.

    :raises Refused: the copy is damaged.
    """
    _copy(_path(database), file)
    _check(file)
    copy = Database(f"sqlite:///{file}", pool_size=1)
    try:
        # an older schema is verified when it is restored, after its migration
        return verification.differences(copy) if migrations.is_current(copy) else []
    finally:
        copy.close()
        _close_log(file)


@contextmanager
def unpacked(target: Database, file: Path) -> Iterator[Database]:
    """Give a working copy of the backup `file` beside the database of `target`; it is gone at the end of the block.

    :raises Refused: the file is damaged or no database.
    """
    path = _path(target)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy = path.with_name(f"{path.name}.restoring")
    _remove(copy)
    try:
        os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _copy(file, copy)
        _check(copy)
        yield Database(f"sqlite:///{copy}", pool_size=1)
    finally:
        _remove(copy)


def swap(target: Database, copy: Database) -> str | None:
    """Put the copy in the place of the target, at one stroke; return where the target is now.

    :raises Conflict: somebody has the target open.
    """
    path, fresh = _path(target), _path(copy)
    _close_log(fresh)
    disk.sync(fresh)
    replaced = None
    if path.exists():
        replaced = path.with_name(f"{path.name}.replaced-{clock.now():%Y%m%dT%H%M%S%f}Z")
        _close_replaced(path, replaced)
        # a second name first: at no moment is there no database, which a start would take for a new installation
        os.link(path, replaced)
    fresh.replace(path)
    disk.sync(path.parent)
    return str(replaced) if replaced else None


def _close_replaced(path: Path, replaced: Path) -> None:
    """Let nothing of the old write-ahead log be taken for the new file's."""
    try:
        _close_log(path)
    except sqlite3.OperationalError as error:
        raise Conflict(f"The database {path} is in use; stop what uses it first.", code="running") from error
    except sqlite3.DatabaseError:
        # damaged: the reason for this restore, perhaps
        for suffix in SIDE_FILES:
            with suppress(FileNotFoundError):
                Path(f"{path}{suffix}").rename(f"{replaced}{suffix}")


def _copy(source: Path, target: Path) -> None:
    """Copy `source` as it is at one moment.

    In one step: it holds nobody up, since a reader does not keep a writer from the write-ahead log, and a copy in many
    steps begins anew whenever somebody writes.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as given,
            closing(sqlite3.connect(target)) as made,
        ):
            given.backup(made, pages=-1)
    except sqlite3.OperationalError as error:
        raise StorageUnavailable(f"{source} could not be copied to {target}: {error}.") from error
    except sqlite3.DatabaseError as error:
        raise Refused(f"{source} is no whole database: {error}.") from error


def _check(file: Path) -> None:
    try:
        with closing(sqlite3.connect(file)) as connection:
            damage = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.DatabaseError as error:
        raise Refused(f"{file} is no whole database: {error}.") from error
    if damage != "ok":
        raise Refused(f"{file} is damaged: {damage}.")
    if orphan is not None:
        raise Refused(f"{file} is damaged: row {orphan[1]} of {orphan[0]} names a row of {orphan[2]} that is missing.")


def _close_log(file: Path) -> None:
    """Bring everything into the file itself, which then stands alone. :raises sqlite3.OperationalError: in use."""
    with closing(sqlite3.connect(file, timeout=1)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")


def _remove(file: Path) -> None:
    for suffix in ("", "-journal", *SIDE_FILES):
        Path(f"{file}{suffix}").unlink(missing_ok=True)


def _path(database: Database) -> Path:
    if database.path is None:
        raise NotFound("The database has no file.")
    return database.path
