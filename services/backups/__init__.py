"""Back up and restore an installation: a copy is completed, verified and migrated before it is used."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import migrations
from config import Settings
from models import Database
from services import verification
from services.backups import disk, past, postgresql, sqlite
from services.backups.lock import stopped
from services.operations.rotation import needs
from services.verification import Difference
from utils import clock
from utils.errors import NotFound, Refused

__all__ = ["SECRETS", "Backup", "Restored", "backup", "restore"]

SECRETS = ("SECRET_KEY", "ENCRYPTION_KEYS")
"""The settings that belong to a database and are not in it."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A backup that was made. `key_ids` are the encryption keys that the secrets in it need."""

    file: Path
    secrets: Path | None
    key_ids: tuple[str, ...]
    differences: list[Difference]


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a restore did: where the replaced database is now, and which live accounts have to be reconciled."""

    replaced: str | None
    live_accounts: int
    key_ids: tuple[str, ...]


def backup(settings: Settings, directory: Path, *, with_secrets: bool = False) -> Backup:
    """Copy the database, in use or not, as it is at one moment, into a new file (mode 0600) of `directory`.

    :raises StorageUnavailable: the database does not answer. :raises NotReady: a tool of PostgreSQL is missing.
    :raises Refused: the copy is damaged; it is not kept.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(settings.database_url, pool_size=1)
    store = sqlite if database.is_sqlite else postgresql
    file = directory / f"trading-{clock.now():%Y%m%dT%H%M%S%f}Z{store.SUFFIX}"
    partial = file.with_name(f".{file.name}.partial")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        differences = store.save(database, partial)
        _publish(partial, file)
        key_ids = _key_ids(database) if migrations.is_current(database) else ()
    finally:
        partial.unlink(missing_ok=True)
        database.close()
    secrets = _keep_secrets(settings, file) if with_secrets else None
    return Backup(file=file, secrets=secrets, key_ids=key_ids, differences=differences)


def restore(settings: Settings, file: Path, *, accept_differences: bool = False) -> Restored:
    """Put the database of a backup in the place of the present one, which is kept aside.

    The copy is migrated, told that its past is lost (see `past.renew`) and verified before it takes the place.

    :raises NotFound: no such file. :raises Conflict: the product runs, or somebody uses the database.
    :raises Refused: the file is no backup, a damaged one, a newer one, or one whose books have differences.
    """
    if not file.is_file():
        raise NotFound(f"There is no file {file}.")
    target = Database(settings.database_url, pool_size=1)
    store = sqlite if target.is_sqlite else postgresql
    with ExitStack() as stack:
        stack.callback(target.close)
        stack.enter_context(stopped(settings.data_dir))
        copy = stack.enter_context(store.unpacked(target, file))
        stack.callback(copy.close)
        if not migrations.knows(copy):
            raise Refused(f"{file} is no backup of Trading Backend, or one of a newer version.")
        migrations.upgrade(copy)
        live_accounts = past.renew(copy)
        differences = verification.differences(copy)
        if differences and not accept_differences:
            told = "; ".join(str(difference) for difference in differences[:3])
            raise Refused(f"The backup has {len(differences)} differences in its books ({told}); nothing was replaced.")
        key_ids = _key_ids(copy)
        copy.close()
        replaced = store.swap(target, copy)
    return Restored(replaced=replaced, live_accounts=live_accounts, key_ids=key_ids)


def _key_ids(database: Database) -> tuple[str, ...]:
    with database.read() as connection:
        return tuple(sorted(needs(connection)))


def _keep_secrets(settings: Settings, file: Path) -> Path:
    """Write the secrets beside the backup, as lines for a `.env` file (mode 0600)."""
    path = file.with_suffix(".env")
    lines = [f"{name}={value}\n" for name in SECRETS if (value := getattr(settings, name.lower(), ""))]
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as secrets:
        secrets.writelines(lines)
    return path


def _publish(partial: Path, file: Path) -> None:
    """Give a finished file its name; it is on the disk before it has it."""
    disk.sync(partial)
    partial.rename(file)
    disk.sync(file.parent)
