"""`rotate-keys`: seal the exchange keys and second factors of all users anew."""

from __future__ import annotations

import click

from commands.group import database_of
from config import Settings
from services.operations.rotation import Rotation
from utils.vault import Vault


@click.command("rotate-keys")
@click.pass_context
def rotate_keys(context: click.Context) -> None:
    """Seal all exchange keys and second factors anew under the first key of ENCRYPTION_KEYS.

    Put a new key in front first (`new-id:hex,old-id:hex`; python -c "import secrets; print(secrets.token_hex(32))")
    and start the server again, so that it can open what this seals. Then run this, beside the server or without it;
    interrupted, it goes on where it was. An older key may be removed once no row needs it.
    """
    settings = Settings.from_env()
    vault = Vault.of(settings.encryption_keys)
    with database_of(settings) as database:
        report = Rotation(database, vault).run()
    click.echo(f"{report.resealed} sealed anew under {vault.key_id}")
    for key_id in vault:
        if key_id != vault.key_id:
            count = report.needs[key_id]
            click.echo(f"{key_id}: " + (f"{count} still need it" if count else "no row needs it; it may be removed"))
    for key_id in sorted(set(report.needs) - set(vault)):
        click.echo(f"{key_id}: {report.needs[key_id]} need it, and ENCRYPTION_KEYS lacks it", err=True)
    for secret in report.unreadable:
        click.echo(f"{secret} cannot be opened", err=True)
    if report.unreadable:
        context.exit(1)
