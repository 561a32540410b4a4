"""Run by Alembic: use the connection that `migrations.upgrade` hands over, or the settings' database."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from config import Settings
from models import Base, Database


def run(connection: Connection) -> None:
    """Run the requested migrations on `connection`."""
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    database = Database(Settings.from_env().database_url)
    with database.write() as session:
        run(session.connection())
