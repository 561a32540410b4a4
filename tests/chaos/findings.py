"""What a storm left behind: what clients were told against SQL, and SQL against the exchange."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import models
from models import Database
from tests.books import rows
from tests.chaos.traders import Trader

UNFINISHED = {"pending_new", "unknown", "pending_cancel"}


@dataclass
class Findings:
    """Counts that must all be zero, and up to a few words for each."""

    lost: int = 0
    duplicated: int = 0
    ghosts: int = 0
    phantoms: int = 0
    unfinished: int = 0
    differences: int = 0
    unanswered: int = 0
    recovery: float = 0.0
    """Seconds after the storm until every order was final or open and the books were equal."""
    words: list[str] = field(default_factory=list)

    def add(self, kind: str, words: str) -> None:
        """Count one finding."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.words) < 20:
            self.words.append(f"{kind}: {words}")

    @property
    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return {name: value for name, value in vars(self).items() if type(value) is int}

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing was found."""
        return not any(self.counts.values())


def told(findings: Findings, database: Database, traders: list[Trader]) -> None:
    """Hold what clients were told against the orders in SQL."""
    by_user: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in rows(database, models.Order):
        by_user[row.user_id][row.id] = row
    for trader in traders:
        orders = by_user[trader.user]
        answered = Counter(placement.order_id for placement in trader.placements if placement.order_id)
        # an order that the exchange refused is kept as rejected, and answered as a refusal
        alive = {row.client_order_id for row in orders.values() if row.status != "rejected"}
        for placement in trader.placements:
            if placement.status is None:
                findings.add("unanswered", f"{placement.key} {placement.body}")
            elif placement.order_id is not None and placement.order_id not in orders:
                findings.add("lost", f"{placement.key} was answered {placement.order_id}")
            elif placement.order_id is None and placement.key in alive:
                findings.add("duplicated", f"{placement.key} was refused ({placement.code}) but is there")
        for order_id, count in answered.items():
            if count > 1:
                findings.add("lost", f"{count} keys were answered with {order_id}")
        for order_id, row in orders.items():
            if order_id not in answered and row.status != "rejected":
                findings.add("duplicated", f"nobody was told of {order_id} {row.status} {row.client_order_id}")
            if row.status in UNFINISHED:
                findings.add("unfinished", f"{order_id} is {row.status}")
