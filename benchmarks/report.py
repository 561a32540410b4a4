"""What a benchmark hands back: rows of figures with their unit, the goal, and what they were measured beside."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One figure. `ratio` is `value` by the baseline measured in the same run; `met` whether `goal` was reached."""

    what: str
    value: float
    unit: str
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None


@dataclass
class Report:
    """The figures of one benchmark and what one must know to read them."""

    title: str
    notes: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def add(
        self,
        what: str,
        value: float,
        unit: str,
        *,
        ratio: float | None = None,
        goal: str = "",
        met: bool | None = None,
    ) -> None:
        """Add one figure."""
        self.rows.append(Row(what, value, unit, ratio, goal, met))

    def table(self) -> str:
        """Return it for people."""
        lines = [("what", "value", "ratio", "goal", "")]
        for row in self.rows:
            ratio = "" if row.ratio is None else _number(row.ratio)
            verdict = {None: "", True: "met", False: "MISSED"}[row.met]
            lines.append((row.what, f"{_number(row.value)} {row.unit}", ratio, row.goal, verdict))
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        text.insert(1, "-" * len(max(text, key=len)))
        return "\n".join([f"== {self.title}", *(f"   {note}" for note in self.notes), *text])

    def builtins(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


def percentile(values: list[float], percent: float) -> float:
    """Return the value that `percent` of `values` do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 2),
    }


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
