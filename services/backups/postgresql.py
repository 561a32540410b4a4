"""Backups of a PostgreSQL database, by PostgreSQL's own tools: a dump in the custom format."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL

from models import Database
from services.verification import Difference
from utils import clock
from utils.errors import Conflict, NotReady, Refused, StorageUnavailable

SUFFIX = ".dump"
MAINTENANCE = "postgres"
"""The database to be connected to while another one is renamed; every server has it."""


def save(database: Database, file: Path) -> list[Difference]:
    """Dump the database into `file`; what is in it can be verified only where it is restored.

    :raises NotReady: pg_dump is missing. :raises Refused: it failed.
    """
    url = database.engine.url
    # deferrable: waits for a moment that no transaction under way can make inconsistent
    arguments = ["--format=custom", "--serializable-deferrable", "--no-owner", "--no-privileges", f"--file={file}"]
    _run("pg_dump", [*arguments, f"--dbname={_address(url)}"], url)
    _run("pg_restore", ["--list", "--file=/dev/null", str(file)], url)
    return []


@contextmanager
def unpacked(target: Database, file: Path) -> Iterator[Database]:
    """Give a new database beside that of `target`, with what the dump `file` holds; dropped at the end of the block.

    :raises NotReady: pg_restore is missing, or no database may be created. :raises Refused: the file is no dump.
    """
    url = target.engine.url
    scratch = url.set(database=f"{url.database}_restoring")
    with _maintenance(url) as server:
        drop = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(scratch.database or ""))
        try:
            server.execute(drop)
            server.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(scratch.database or ""))
            )
        except psycopg.errors.InsufficientPrivilege as error:
            raise NotReady(f"The user {url.username} may not create databases: ALTER ROLE … CREATEDB.") from error
        try:
            arguments = ["--exit-on-error", "--no-owner", "--no-privileges", f"--dbname={_address(scratch)}"]
            _run("pg_restore", [*arguments, str(file)], url)
            yield Database(scratch.render_as_string(hide_password=False), pool_size=1)
        finally:
            server.execute(drop)


def swap(target: Database, copy: Database) -> str | None:
    """Give the copy the name of the target, in one transaction; return the name that the target has now.

    :raises Conflict: somebody is connected to the target.
    """
    name, fresh = target.engine.url.database or "", copy.engine.url.database or ""
    replaced = f"{name}_replaced_{clock.now():%Y%m%dt%H%M%S}"
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    with _maintenance(target.engine.url) as server, server.transaction():
        exists = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None
        try:
            if exists:
                server.execute(rename.format(sql.Identifier(name), sql.Identifier(replaced)))
            server.execute(rename.format(sql.Identifier(fresh), sql.Identifier(name)))
        except psycopg.errors.ObjectInUse as error:
            raise Conflict(f"The database {name} is in use; stop what uses it first.", code="running") from error
    return replaced if exists else None


@contextmanager
def _maintenance(url: URL) -> Iterator[psycopg.Connection]:
    try:
        opened = psycopg.connect(_address(url.set(database=MAINTENANCE)), password=url.password, autocommit=True)
    except psycopg.OperationalError as error:
        raise StorageUnavailable(f"The server of the database does not answer: {_last_line(str(error))}") from error
    with closing(opened) as server:
        yield server


def _run(tool: str, arguments: list[str], url: URL) -> None:
    found = shutil.which(tool)
    if found is None:
        line = shlex.join([tool, *arguments])
        raise NotReady(f"{tool} is not installed here; install PostgreSQL's client, or run where it is: {line}")
    environment = {**os.environ, "PGPASSWORD": url.password} if url.password else dict(os.environ)
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own tool, no shell
        [found, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Refused(f"{tool} failed: {_last_line(done.stderr)}")


def _address(url: URL) -> str:
    """Return what PostgreSQL's tools connect to, without the password: others may see their command lines."""
    return url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason was given"])[-1]
