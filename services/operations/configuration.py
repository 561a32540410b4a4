"""The configuration of the installation, for the eyes of its operators: never a secret."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from config import Settings
from services.bot_config.secrets import REDACTED, redact
from services.bot_config.state import State
from utils.errors import BridgeError
from utils.home import Home
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Message

__all__ = ["REDACTED", "Configuration", "Configurations", "redact", "shown"]


class BotConfiguration(Message, frozen=True, kw_only=True):
    """What the operator's bot runs with; `version` names it, `octobot_version` is None when the engine is away."""

    octobot_version: str | None
    version: str
    config: dict[str, Any]


class Configuration(Message, frozen=True, kw_only=True):
    """What the API and the bot run with."""

    api: dict[str, Any]
    bot: BotConfiguration


class Configurations:
    """Read the configuration."""

    def __init__(self, settings: Settings, bridge: OctoBotBridge, home: Home) -> None:
        self._settings = settings
        self._bridge = bridge
        self._home = home

    def read(self) -> Configuration:
        """Return the API's settings and the bot's configuration, secrets redacted.

        :raises Conflict: the bot's configuration cannot be read. :raises StorageUnavailable: nor can its home be made.
        """
        with self._home.locked():
            state = State.read(self._home)
        bot = BotConfiguration(
            octobot_version=self._octobot_version(), version=state.version, config=redact(state.config)
        )
        return Configuration(api=shown(self._settings), bot=bot)

    def _octobot_version(self) -> str | None:
        try:
            return self._bridge.bot_config().octobot_version
        except BridgeError:
            return None


def shown(settings: Settings) -> dict[str, Any]:
    """Return the settings by name; one that `repr` leaves out is a secret, and said to be set or not."""
    values: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if not field.repr:
            value = REDACTED if value else None
        values[field.name] = str(value) if isinstance(value, Path) else value
    return values
