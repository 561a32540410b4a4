"""Settings of users: what their screens look like, as the API has checked it, and how they are told of things."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

import models
from models import Database
from services import audit
from services.audit import Origin
from services.notifications.notifications import Notifications, Ways
from services.principals import Principal
from utils import clock, json


class UserSettings:
    """Keep a JSON object for each user; their notifications are kept with the other ones."""

    def __init__(self, database: Database, notifications: Notifications) -> None:
        self._database = database
        self._notifications = notifications

    def get(self, principal: Principal, defaults: dict[str, Any]) -> tuple[dict[str, Any], list[Ways]]:
        """Return the caller's settings, over the `defaults` of who has set none, and how they are told of things."""
        table = models.UserSettings
        with self._database.read() as connection:
            body = connection.execute(select(table.body).where(table.user_id == principal.user_id)).scalar()
        kept = {} if body is None else json.loads(body.encode())
        return {**defaults, **kept}, self._notifications.ways(principal)

    def put(
        self, principal: Principal, origin: Origin, settings: dict[str, Any], wanted: list[Ways]
    ) -> tuple[dict[str, Any], list[Ways]]:
        """Replace the caller's settings, choose how they are told of the kinds that are `wanted`, and return all.

        :raises Forbidden: by the bot, and the caller is no administrator.
        """
        made = self._database.insert(models.UserSettings)
        kept = made.on_conflict_do_update(
            index_elements=["user_id"], set_={"body": made.excluded.body, "updated_at": made.excluded.updated_at}
        )
        row = {"user_id": principal.user_id, "body": json.dumps(settings).decode(), "updated_at": clock.now()}
        with self._database.write() as session:
            self._notifications.store(session, principal, wanted)
            session.execute(kept, row)
            audit.record(session, origin, "settings.changed", user_id=principal.user_id, target=principal.user_id)
        return settings, self._notifications.ways(principal)
