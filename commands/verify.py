"""`verify`: hold the books against themselves and against OctoBot."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

import migrations
from commands.group import database_of
from config import Settings
from services import verification
from services.verification import Difference
from utils import json
from utils.errors import EngineUnavailable, Refused
from utils.octobot_bridge import OctoBotBridge, UnixTransport

TIMEOUT_SECONDS = 30.0
"""For one answer of the engine, which may have to read the account first."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects instead of a table.")
@click.option("--no-engine", is_flag=True, help="Look at the database alone, also when the engine runs.")
def verify(*, as_json: bool, no_engine: bool) -> None:
    """Print every difference in the books: "none" and exit code 0, or a table and exit code 1.

    The database may be in use: it is read as it is at one moment. When the engine runs, what OctoBot holds of every
    account is compared too; each comes into the engine's memory for that.
    """
    settings = Settings.from_env()
    with database_of(settings) as database:
        if not migrations.is_current(database):
            raise Refused("The database has another schema than this version; start the server once, or make migrate.")
        found = verification.differences(database, None if no_engine else _engine(settings))
    if as_json:
        click.echo(json.dumps([asdict(difference) for difference in found]).decode())
    else:
        click.echo(table(found) if found else "none")
    sys.exit(1 if found else 0)


def table(found: list[Difference]) -> str:
    """Return the differences as aligned columns with a heading."""
    lines = [("check", "account", "subject", "difference")]
    lines += [(each.check, each.account or "-", each.subject, each.detail) for each in found]
    check, account, subject = (max(len(line[column]) for line in lines) for column in range(3))
    return "\n".join(f"{line[0]:{check}}  {line[1]:{account}}  {line[2]:{subject}}  {line[3]}" for line in lines)


def _engine(settings: Settings) -> OctoBotBridge | None:
    bridge = OctoBotBridge(UnixTransport(settings.engine_socket), TIMEOUT_SECONDS)
    try:
        bridge.status()
    except EngineUnavailable:
        click.echo("The engine does not run: the database was held against itself alone.", err=True)
        return None
    return bridge
