"""`create-admin`, `reset-password` and `list-users`: for when the API cannot be reached, or nobody gets in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

import migrations
from commands.group import database_of
from config import Settings
from models import Database
from services.users.administration import ManagedUser, UserFilters, users
from services.users.passwords import Passwords
from services.users.users import SignUp, Users
from utils import json
from utils.errors import Refused
from utils.pages import MAX_LIMIT, Cursor


@click.command("create-admin")
@click.argument("username")
@click.option("--email", help="Their address; USERNAME@localhost when left out.")
def create_admin(*, username: str, email: str | None) -> None:
    """Create the administrator USERNAME.

    The password is asked for, or read from the first line of standard input when that is no terminal.
    """
    with _database() as database:
        password = _password()
        wanted = SignUp(username=username, email=email or f"{username}@localhost", password=password)
        made = Users(database, Passwords()).create_admin(wanted)
    click.echo(f"{made.username} ({made.id}) is an administrator.")


@click.command("reset-password")
@click.argument("name")
@click.option("--reset-totp", is_flag=True, help="Turn their second factor off too.")
def reset_password(*, name: str, reset_totp: bool) -> None:
    """Give the user whose username or address is NAME another password, and end their sessions and API keys.

    The password is asked for, or read from the first line of standard input when that is no terminal.
    """
    with _database() as database:
        username = Users(database, Passwords()).reset_password(name, _password(), reset_totp=reset_totp)
    click.echo(f"{username} has another password; their sessions and API keys have ended.")


@click.command("list-users")
@click.option("--search", help="A part of the username or the address.")
@click.option("--admins", is_flag=True, help="Administrators alone.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line instead of a table.")
def list_users(*, search: str | None, admins: bool, as_json: bool) -> None:
    """Print the users, newest first."""
    with _database() as database:
        found = list(_all(database, search, "admin" if admins else None))
    if as_json:
        for user in found:
            click.echo(json.dumps(user).decode())
        return
    lines: list[tuple[str, ...]] = [("username", "email", "role", "state", "2fa", "created", "last seen", "id")]
    lines += [_cells(user) for user in found]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]) - 1)]
    for line in lines:
        click.echo("  ".join([f"{cell:{width}}" for cell, width in zip(line, widths, strict=False)] + [line[-1]]))


@contextmanager
def _database() -> Iterator[Database]:
    with database_of(Settings.from_env()) as database:
        if not migrations.is_current(database):
            raise Refused("The database has another schema than this version; start the server once, or make migrate.")
        yield database


def _password() -> str:
    """Ask for a password; it is never an argument, which every process on the machine could read."""
    if sys.stdin.isatty():
        entered: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return entered
    return sys.stdin.readline().rstrip("\r\n")


def _all(database: Database, search: str | None, role: str | None) -> Iterator[ManagedUser]:
    cursor: Cursor | None = None
    while True:
        page = users(database, UserFilters(search=search, role=role, limit=MAX_LIMIT, cursor=cursor))
        yield from page.items
        if page.next_cursor is None:
            return
        cursor = Cursor.decode(page.next_cursor)


def _cells(user: ManagedUser) -> tuple[str, ...]:
    state = "deleted" if user.deleted_at else "active" if user.is_active else "inactive"
    seen = f"{user.last_seen_at:%Y-%m-%d %H:%M}" if user.last_seen_at else "never"
    factor = "on" if user.totp_enabled else "off"
    return user.username, user.email, user.role, state, factor, f"{user.created_at:%Y-%m-%d}", seen, user.id
