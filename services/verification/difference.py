"""What verification finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two things that ought to agree and do not: which check says so, about what (an id), and how they differ."""

    check: str
    account: str | None
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: {self.subject} of account {self.account}: {self.detail}"
