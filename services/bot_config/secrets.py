"""Secrets of the configuration: shown as a placeholder, never written back as one, kept as OctoBot keeps them."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from utils.errors import FieldError, Refused
from utils.secret_names import EMPTY, ENCRYPTED, NAMES, has_login, means_secret

REDACTED = "[redacted]"
OCTOBOT_KEY = b"uVEw_JJe7uiXepaU_DR4T-ThkjZlDn8Pzl8hYPIv7w0="
"""The key that every OctoBot encrypts exchange keys with. It is public: it hides them from a glance, no more."""


def redact(value: Any, *, is_secret: bool = False, has_names: bool = False) -> Any:
    """Return `value` without what is kept under a name that means a secret, or is an address with a password."""
    if isinstance(value, dict):
        return {
            name: redact(child, is_secret=is_secret or means_secret(name, child, has_names), has_names=name in NAMES)
            for name, child in value.items()
        }
    if isinstance(value, list):
        return REDACTED if is_secret and value else [redact(child) for child in value]
    if isinstance(value, bool) or value is None or (isinstance(value, str) and value in EMPTY):
        return value
    return REDACTED if is_secret or (isinstance(value, str) and has_login(value)) else value


def without_placeholders(patch: dict[str, Any], current: Any, path: str = "") -> dict[str, Any]:
    """Return a merge patch of `current` that leaves alone whatever it has as it is shown.

    :raises Refused: `redacted_value` when a placeholder stands where there is no secret.
    """
    return _kept(patch, current, redact(current), path)


def _kept(patch: dict[str, Any], current: Any, shown: Any, path: str) -> dict[str, Any]:
    kept = {}
    for name, value in patch.items():
        here = f"{path}.{name}" if path else name
        old, told = (each.get(name) if isinstance(each, dict) else None for each in (current, shown))
        if isinstance(value, dict):
            kept[name] = _kept(value, old, told, here)
        elif not _has_placeholder(value):
            kept[name] = value
        elif value != told or value == old:
            message = f"{REDACTED} stands for a secret, and there is none here."
            error = FieldError(field=here, code="redacted_value", message=message)
            raise Refused(f"{here}: {message}", code="redacted_value", errors=(error,))
    return kept


def restored(shown: Any, current: Any, missing: list[str]) -> Any:
    """Return what was once shown, with the secrets of `current` in their places.

    :param missing: gets the paths of those that are not there any more; they are left out.
    """
    return _restored(shown, current, redact(current), missing, "")


def _restored(shown: Any, current: Any, told: Any, missing: list[str], path: str) -> Any:
    if not isinstance(shown, dict):
        return shown
    result = {}
    for name, value in shown.items():
        here = f"{path}.{name}" if path else name
        old, now = (each.get(name) if isinstance(each, dict) else None for each in (current, told))
        if isinstance(value, dict) or not _has_placeholder(value):
            result[name] = _restored(value, old, now, missing, here)
        elif value == now and value != old:
            result[name] = old
        else:
            missing.append(here)
    return result


def _has_placeholder(value: Any) -> bool:
    if isinstance(value, list):
        return any(_has_placeholder(child) for child in value)
    if isinstance(value, dict):
        return any(_has_placeholder(child) for child in value.values())
    return bool(value == REDACTED)


def sealed(patch: dict[str, Any]) -> dict[str, Any]:
    """Return a patch with its exchange keys encrypted as OctoBot does it.

    An empty key becomes the words that OctoBot has for none: it would encrypt an empty one, which looks like a key.

    :raises Refused: one is no text.
    """
    exchanges = patch.get("exchanges")
    if not isinstance(exchanges, dict):
        return patch
    return {**patch, "exchanges": {name: _sealed_exchange(name, value) for name, value in exchanges.items()}}


def _sealed_exchange(name: str, exchange: Any) -> Any:
    if not isinstance(exchange, dict):
        return exchange
    result = dict(exchange)
    for key, none in ENCRYPTED.items():
        value = exchange.get(key)
        if value is None:
            continue
        if not isinstance(value, str):
            error = FieldError(field=f"exchanges.{name}.{key}", code="invalid", message="This must be a text.")
            raise Refused(f"{error.field}: {error.message}", errors=(error,))
        if value in EMPTY:
            result[key] = value or none
        elif not _is_encrypted(value):
            result[key] = Fernet(OCTOBOT_KEY).encrypt(value.encode()).decode()
    return result


def _is_encrypted(value: str) -> bool:
    try:
        Fernet(OCTOBOT_KEY).decrypt(value.encode())
    except InvalidToken:
        return False
    return True
