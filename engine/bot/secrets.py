"""What in a configuration of OctoBot must not be seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from cryptography.fernet import InvalidToken
from octobot_commons.configuration import decrypt

from utils.secret_names import is_secret_name

LEAST = 6
"""Shorter values would mask words of every line."""


def secrets_of(config: Any, *, is_secret: bool = False) -> set[str]:
    """Return all secret values in `config`, as they are written there and as OctoBot decrypts them."""
    return {spelling for value in _values(config, is_secret=is_secret) for spelling in _spellings(value)}


def _values(config: Any, *, is_secret: bool) -> Iterator[str]:
    if isinstance(config, dict):
        for name, child in config.items():
            yield from _values(child, is_secret=is_secret or is_secret_name(str(name)))
    elif isinstance(config, list):
        for child in config:
            yield from _values(child, is_secret=is_secret)
    elif is_secret and isinstance(config, str) and len(config) >= LEAST:
        yield config


def _spellings(value: str) -> Iterator[str]:
    yield value
    with suppress(InvalidToken):
        plain: str = decrypt(value, silent_on_invalid_token=True)
        if len(plain) >= LEAST:
            yield plain
