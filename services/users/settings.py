"""Settings that users keep here for their screens: stored as the API has checked them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

import models
from models import Database
from services import audit
from services.audit import Origin
from services.principals import Principal
from utils import clock, json


class UserSettings:
    """Keep a JSON object for each user."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, principal: Principal, defaults: dict[str, Any]) -> dict[str, Any]:
        """Return the caller's settings, over the `defaults` of who has set none."""
        table = models.UserSettings
        with self._database.read() as connection:
            body = connection.execute(select(table.body).where(table.user_id == principal.user_id)).scalar()
        return defaults if body is None else {**defaults, **json.loads(body.encode())}

    def put(self, principal: Principal, origin: Origin, settings: dict[str, Any]) -> dict[str, Any]:
        """Replace the caller's settings, and return them."""
        made = self._database.insert(models.UserSettings)
        kept = made.on_conflict_do_update(
            index_elements=["user_id"], set_={"body": made.excluded.body, "updated_at": made.excluded.updated_at}
        )
        row = {"user_id": principal.user_id, "body": json.dumps(settings).decode(), "updated_at": clock.now()}
        with self._database.write() as session:
            session.execute(kept, row)
            audit.record(session, origin, "settings.changed", user_id=principal.user_id, target=principal.user_id)
        return settings
