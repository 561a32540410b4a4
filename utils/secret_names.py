"""The names under which a configuration of OctoBot keeps what must not be seen."""

from __future__ import annotations

import re

_SECRET = re.compile(
    r"secret|passw|passphrase|token|credential|api.?key|private|mnemonic|seed|cookie|(^|[-_. ])key$", re.IGNORECASE
)


def is_secret_name(name: str) -> bool:
    """Tell whether what is kept under `name` is a secret."""
    return _SECRET.search(name) is not None
