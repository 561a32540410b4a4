"""How a loopback exchange fails when a test asks for it.

A `Fault` strikes requests of one group: `place`, `cancel`, `query` (orders and own trades), `balance`, `account` (keys,
permissions, fees), `market` (public) or `any`. The kinds:

- `refuse`: the connection is cut before anything is done;
- `error`: HTTP `status`, after the request was carried out (`accept`) or instead of it; with `code` the exchange's own
  error body, otherwise a proxy's HTML page;
- `garbage`: carried out (`accept`), then 200 with a page that is no JSON;
- `stuck`: not carried out, then the answer that the same request last had, as from a cache on the way that is never
  renewed (one that was never answered is carried out);
- `truncated`: carried out (`accept`), then the right answer, cut in its middle;
- `stall`: carried out (`accept`), then the right answer after `seconds`; when not accepted, cut after them;
- `hang`: carried out (`accept`), no answer ever;
- `late`: the connection is cut at once, the request is carried out `seconds` later, or when it is let go. As at the
  real exchange it is checked then, so one that is older than its receive window by then is refused;
- `limit`: not carried out, 429 with `Retry-After: seconds`;
- `ban`: not carried out, 418 (Binance) or 403 (KuCoin) with `Retry-After: seconds`.

It strikes with `probability`, `count` times at most (None: until cleared). Two more are not per request and are set on
the exchange: `lag` (seconds after which queries and balances show what happened) and `skew` (seconds by which the
exchange's clock is ahead).
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import Literal, get_args

Group = Literal["place", "cancel", "query", "balance", "account", "market"]
FaultKind = Literal["refuse", "error", "garbage", "stuck", "truncated", "stall", "hang", "late", "limit", "ban"]


@dataclass(frozen=True)
class Fault:
    """One way to fail; see the module."""

    kind: FaultKind
    on: Group | Literal["any"] = "place"
    accept: bool = True
    seconds: float = 0
    status: int = 503
    code: int | None = None
    probability: float = 1
    count: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind) or self.on not in (*get_args(Group), "any"):
            raise ValueError(f"no fault {self.kind!r} on {self.on!r}")


class Faults:
    """The faults that are switched on; which requests they strike follows from the seed."""

    def __init__(self, seed: int) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._armed: list[tuple[Fault, list[int]]] = []

    def add(self, fault: Fault) -> None:
        """Switch a fault on; among several, the first that strikes wins."""
        with self._lock:
            self._armed.append((fault, [0]))

    @property
    def are_armed(self) -> bool:
        """Tell whether any was added since the last `clear`."""
        with self._lock:
            return bool(self._armed)

    def clear(self) -> None:
        """Switch all of them off."""
        with self._lock:
            self._armed.clear()

    def strike(self, group: Group) -> Fault | None:
        """Return the fault that the next request of `group` meets."""
        with self._lock:
            for fault, struck in self._armed:
                due = fault.on in (group, "any") and (fault.count is None or struck[0] < fault.count)
                if due and self._random.random() < fault.probability:
                    struck[0] += 1
                    return fault
        return None
