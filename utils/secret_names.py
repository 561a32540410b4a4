"""Recognise secrets in OctoBot's configuration, by their names or by their form."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

ENCRYPTED = {
    "api-key": "your-api-key-here",
    "api-secret": "your-api-secret-here",
    "api-password": "your-api-password-here",
}
"""What of an exchange OctoBot encrypts, and what stands there when there is none."""

EMPTY = frozenset({"", *ENCRYPTED.values(), "NOKEY", "NO KEY", "Empty"})
"""What stands in the place of a secret that there is none of."""

NAMES = frozenset({"crypto-currencies", "starting-portfolio", "exchanges", "services", "settings", "tentacles"})
"""Members whose own members are called by somebody's choice: a currency may be a token."""

_SECRET = re.compile(
    r"secret|passw|passphrase|token|credential|api.?key|private|mnemonic|seed|cookie|(^|[-_. ])key$", re.IGNORECASE
)
_LOGIN = re.compile(r"://[^/\s]*?:([^/\s]*)@")


def means_secret(name: str, value: Any, is_chosen: bool = False) -> bool:
    """Tell whether what is kept under `name` is a secret; one that somebody chose says little of what it holds."""
    return bool(_SECRET.search(name)) and not (is_chosen and not isinstance(value, str))


def has_login(text: str) -> bool:
    """Tell whether there is an address with a password in `text`."""
    return _LOGIN.search(text) is not None


def passwords(text: str) -> set[str]:
    """Return the passwords of the addresses in `text`, as they are written there and as they are sent."""
    written = set(_LOGIN.findall(text))
    return written | {unquote(each) for each in written}
