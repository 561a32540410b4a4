"""JSON as the API writes it: decimals as strings without exponent, times as RFC 3339 with `Z`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import orjson

from utils.money import plain


def dumps(value: Any) -> bytes:
    """Encode `value`: builtins, messages (`msgspec.Struct`), Decimals and aware datetimes.

    :raises TypeError: when `value` holds anything else.
    """
    return orjson.dumps(value, default=_default, option=orjson.OPT_UTC_Z)


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
