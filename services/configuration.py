"""The configuration of the installation, for the eyes of its operators: never a secret."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from config import Settings
from utils.octobot_bridge import OctoBotBridge
from utils.wire import BotConfig, Message

REDACTED = "[redacted]"
_SECRET = re.compile(r"secret|password|passphrase|token|credential|api.?key|private", re.IGNORECASE)


class Configuration(Message, frozen=True, kw_only=True):
    """What the API and the bot run with."""

    api: dict[str, Any]
    bot: BotConfig


class Configurations:
    """Read the configuration."""

    def __init__(self, settings: Settings, bridge: OctoBotBridge) -> None:
        self._settings = settings
        self._bridge = bridge

    def read(self) -> Configuration:
        """Return the API's settings and the bot's configuration, secrets redacted."""
        bot = self._bridge.bot_config()
        redacted = BotConfig(octobot_version=bot.octobot_version, config=redact(bot.config))
        return Configuration(api=shown(self._settings), bot=redacted)


def shown(settings: Settings) -> dict[str, Any]:
    """Return the settings by name; one that `repr` leaves out is a secret, and said to be set or not."""
    values: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if not field.repr:
            value = REDACTED if value else None
        values[field.name] = str(value) if isinstance(value, Path) else value
    return values


def redact(value: Any) -> Any:
    """Return `value` without what is kept under a name that means a secret."""
    if isinstance(value, dict):
        return {
            name: REDACTED if child and _SECRET.search(str(name)) else redact(child) for name, child in value.items()
        }
    return [redact(child) for child in value] if isinstance(value, list) else value
