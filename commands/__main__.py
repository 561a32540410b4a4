"""Run one command: `python -m commands <name>`; `--help` lists them."""

from __future__ import annotations

import os

import click

from commands.backup import backup, restore
from commands.group import Commands
from commands.rotate_keys import rotate_keys
from commands.users import create_admin, list_users, reset_password
from commands.verify import verify


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Look after an installation of Trading Backend.

    Settings come from the environment or a .env file, as for the server. Exit code 0 means done, 1 that it could not
    be done or that something is wrong, 2 that it was asked wrongly. Errors are one line on stderr.
    """
    os.umask(0o077)


for command in (verify, backup, restore, rotate_keys, create_admin, reset_password, list_users):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="python -m commands")
