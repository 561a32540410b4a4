"""Which orders or trades are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from utils.pages import DEFAULT_LIMIT, Cursor
from utils.wire import Side


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which orders or trades a list holds; `after` and `until` bound `created_at`, the first exclusive."""

    account: str | None = None
    symbol: str | None = None
    side: Side | None = None
    after: datetime | None = None
    until: datetime | None = None
    status: Literal["open", "closed", "all"] = "all"
    direction: Literal["asc", "desc"] = "desc"
    limit: int = DEFAULT_LIMIT
    cursor: Cursor | None = None
