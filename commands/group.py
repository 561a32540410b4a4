"""What all commands share: the settings, the database, and how errors are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from config import Settings, SettingsError
from models import Database
from utils.errors import NotFound, TradingError, explained


class _BadSettings(click.ClickException):
    exit_code = 2


class Commands(click.Group):
    """A group whose commands may raise what services raise: it becomes one line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            raise _BadSettings(str(error)) from error
        except TradingError as error:
            raise click.ClickException(explained(error)) from error
        except OSError as error:
            raise click.ClickException(str(error)) from error


@contextmanager
def database_of(settings: Settings) -> Iterator[Database]:
    """Open the database of an installation, never a new one.

    :raises NotFound: when SQLite's file is not there.
    """
    database = Database(settings.database_url, pool_size=2)
    if database.path is not None and not database.path.is_file():
        raise NotFound(f"There is no database at {database.path}; set DATA_DIR or DATABASE_URL as the server has it.")
    try:
        yield database
    finally:
        database.close()
