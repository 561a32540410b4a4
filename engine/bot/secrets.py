"""The secrets in a home, which must not appear in a log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from cryptography.fernet import InvalidToken
from octobot_commons.configuration import decrypt

from utils.errors import Conflict
from utils.home import Home, files
from utils.home.tentacles import installed
from utils.secret_names import EMPTY, NAMES, means_secret, passwords

LEAST = 6
"""Shorter values would mask words of every line."""


def secrets_in(home: Home) -> set[str]:
    """Return all secret values in a home: of its configuration, its profiles, and the settings of tentacles.

    :raises Conflict: its configuration cannot be read.
    """
    found = secrets_of(home.config())
    for profile in home.profiles():
        found |= secrets_of(profile.config)
        for path in profile.settings_folder.glob("*.json"):
            with suppress(Conflict):  # nobody can use its settings either
                found |= secrets_of(files.read(path))
    for tentacle in installed(home.tentacles_folder).values():
        found |= secrets_of(tentacle.defaults())
    return found


def secrets_of(config: Any) -> set[str]:
    """Return all secret values in `config`, as they are written there and as OctoBot decrypts them."""
    values = _values(config, is_secret=False, has_names=False)
    found = {spelling for value in values if value not in EMPTY for spelling in _spellings(value)}
    return {each for each in found if len(each) >= LEAST}


def _values(config: Any, *, is_secret: bool, has_names: bool) -> Iterator[str]:
    if isinstance(config, dict):
        for name, child in config.items():
            is_one = is_secret or means_secret(name, child, has_names)
            yield from _values(child, is_secret=is_one, has_names=name in NAMES)
    elif isinstance(config, list):
        for child in config:
            yield from _values(child, is_secret=is_secret, has_names=False)
    elif isinstance(config, str):
        yield from passwords(config)
        if is_secret:
            yield config


def _spellings(value: str) -> Iterator[str]:
    yield value
    with suppress(InvalidToken):
        yield decrypt(value, silent_on_invalid_token=True)
