"""Prepare an installation before anybody is served: the newest schema, and an admin."""

from __future__ import annotations

import migrations
from config import Settings, SettingsError
from models import Database
from services.users.passwords import Passwords
from services.users.users import Users
from utils.errors import Conflict, Refused


def prepare(settings: Settings) -> str | None:
    """Migrate the database and make sure of an admin; return the password when one was made up for them.

    :raises StorageUnavailable: when the database cannot be reached.
    :raises SettingsError: when ADMIN_PASSWORD is too weak, or ADMIN_USERNAME no name or that of a user who is no admin.
    """
    database = Database(settings.database_url, pool_size=1)
    try:
        migrations.upgrade(database)
        return Users(database, Passwords()).ensure_admin(settings.admin_username, settings.admin_password)
    except (Refused, Conflict) as error:
        raise SettingsError(f"ADMIN_USERNAME, ADMIN_PASSWORD: {error.detail}") from error
    finally:
        database.close()
