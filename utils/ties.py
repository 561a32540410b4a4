"""Order ids that remember the client's own id of their order: all that an exchange is told of an order is our id.

Sixty-two bits that are random otherwise are a digest of account and client order id, twelve more tell that it is so.
When the row of an order is lost and it is adopted from its exchange, its client's id is still recognised.
"""

from __future__ import annotations

import hashlib

from utils.ids import new_id

_LOW = (1 << 62) - 1


def tied_id(account: str, client_order_id: str) -> str:
    """Return a fresh identifier that is tied to a client's own id of an order."""
    low = _digest(f"{account} {client_order_id}") & _LOW
    value = int(new_id().replace("-", ""), 16) >> 80 << 80 | 7 << 76 | _check(low) << 64 | 2 << 62 | low
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def adopted_name(account: str, client_order_id: str) -> str:
    """Return the client order id that an adopted order has instead of `client_order_id`, which cannot be read back."""
    return _name(_digest(f"{account} {client_order_id}") & _LOW)


def name_of(order_id: str) -> str:
    """Return the client order id of an adopted order; its own id, when it is tied to none."""
    value = int(order_id.replace("-", ""), 16)
    low = value & _LOW
    return _name(low) if value >> 64 & 0xFFF == _check(low) else order_id


def _name(low: int) -> str:
    return f"adopted-{low:016x}"


def _check(low: int) -> int:
    return _digest(f"{low}") & 0xFFF


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
