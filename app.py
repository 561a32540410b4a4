"""The Flask app: wiring only. `python app.py` starts the whole installation."""

from __future__ import annotations

if __name__ == "__main__":
    # Before the other imports: the supervisor needs none of them, and its parts start the sooner.
    from supervisor.run import main

    main()

from collections.abc import Callable
from typing import Any

from flask import Flask

import middleware
import services
from api import openapi, routes
from config import Settings
from middleware.context import SERVICES
from models import Database
from utils.octobot_bridge import OctoBotBridge, UnixTransport


class App(Flask):
    """A Flask app without coroutines."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return `func`; Flask looks up what it is for each of the sixteen functions around a request."""
        return func


def create_app(
    settings: Settings | None = None, *, bridge: OctoBotBridge | None = None, database: Database | None = None
) -> Flask:
    """Build the app; what is not given is made from the settings.

    :raises SettingsError: when a setting is malformed or unsafe.
    """
    settings = settings or Settings.from_env()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = database or Database(settings.database_url, pool_size=settings.web_threads)
    bridge = bridge or OctoBotBridge(UnixTransport(settings.engine_socket))
    app = App(__name__, static_folder=None)
    app.extensions[SERVICES] = services.build(settings, database, bridge)
    middleware.install(app, settings)
    api = openapi.install(app)
    for blueprint in routes.BLUEPRINTS:
        api.register_blueprint(blueprint)
    return app
