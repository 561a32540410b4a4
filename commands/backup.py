"""`backup` and `restore`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from commands.group import database_of
from commands.verify import table
from config import Settings
from services import backups


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), required=False)
@click.option("--with-secrets", is_flag=True, help="Write the secrets too, to a file of their own beside the backup.")
def backup(*, directory: Path | None, with_secrets: bool) -> None:
    """Copy the database, in use or not, to a new file in DIRECTORY (default: backups in DATA_DIR).

    A SQLite database is checked and verified in the copy, and the command ends with exit code 1 when its books have
    differences; the copy is kept. PostgreSQL is dumped with pg_dump, and verified when it is restored. Secrets are not
    inside.
    """
    settings = Settings.from_env()
    with database_of(settings):
        made = backups.backup(settings, directory or settings.data_dir / "backups", with_secrets=with_secrets)
    click.echo(made.file)
    if made.secrets is not None:
        click.echo(made.secrets)
    click.echo(_needed(made.key_ids, inside=made.secrets is not None), err=True)
    if made.differences:
        click.echo(f"The books in the backup have differences:\n{table(made.differences)}", err=True)
        sys.exit(1)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--accept-differences", is_flag=True, help="Also when verification finds differences in the backup.")
def restore(*, file: Path, accept_differences: bool) -> None:
    """Put the database of the backup FILE in the place of the present one.

    The server must be stopped. The replaced database is kept beside the new one. Everybody has to sign in again, and
    the engine reconciles live accounts with their exchanges at its next start.
    """
    done = backups.restore(Settings.from_env(), file, accept_differences=accept_differences)
    click.echo("Restored.")
    if done.replaced is not None:
        click.echo(f"The replaced database is {done.replaced}.")
    click.echo(f"{done.live_accounts} live accounts are marked for reconciliation.")
    click.echo(_needed(done.key_ids, inside=False), err=True)


def _needed(key_ids: tuple[str, ...], *, inside: bool) -> str:
    if inside:
        return "Keep the secrets apart from the backup: together they open every exchange key."
    keys = f" and ENCRYPTION_KEYS with {', '.join(key_ids)} (without them exchange keys are lost)" if key_ids else ""
    return f"To be kept apart, and needed with it: SECRET_KEY (without it everybody signs in again){keys}."
