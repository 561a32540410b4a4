"""The keys of a user's account at an exchange, in the clear: only ever in memory."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ApiKeys:
    """What an exchange wants to see; `password` where it has a third part (KuCoin's passphrase)."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    password: str | None = field(default=None, repr=False)
