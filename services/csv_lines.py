"""Lines of CSV files (RFC 4180), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from utils.money import plain

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def line(cells: Iterable[Any]) -> str:
    """Return one line with its end; None is an empty cell, times are RFC 3339 and numbers exact."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([_text(cell) for cell in cells])
    return buffer.getvalue()


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Decimal):
        return plain(cell)
    if isinstance(cell, datetime):
        return cell.isoformat().replace("+00:00", "Z")
    text = str(cell)
    # a spreadsheet would carry out a text that begins like a formula; numbers of ours may begin with a minus
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
