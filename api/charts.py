"""Charts as inline SVG: lines over time, without scripts and without anything from other hosts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from html import escape

WIDTH, HEIGHT = 1000, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 12, 12, 28
MOST_POINTS = 1_500
"""More cannot be told apart on a screen; of each stretch the lowest and the highest are kept."""

Line = tuple[str, Sequence[float]]
"""The class of a line in the style sheet, and its values, one per moment."""


class Chart:
    """A plane of time and values, with its grid."""

    def __init__(self, title: str, moments: Sequence[datetime], low: float, high: float) -> None:
        self._title = title
        self._moments = [moment.timestamp() for moment in moments]
        self._dates = moments
        step = _step(high - low if high > low else abs(high) or 1.0)
        self._low, self._high = math.floor(low / step) * step, math.ceil(high / step) * step
        if self._low == self._high:
            self._high += step
        self._step = step

    def draw(
        self, lines: Sequence[Line], *, area: str | None = None, marks: Sequence[tuple[str, float, float]] = ()
    ) -> str:
        """Return the chart as SVG.

        :param area: the class of the line that is filled down to zero.
        :param marks: dots, as class, Unix seconds and value.
        """
        parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self._title)}">', *self._grid()]
        for name, values in lines:
            points = self._points(values)
            if name == area:
                floor = self._y(0.0)
                first, last = points[0].partition(",")[0], points[-1].partition(",")[0]
                filled = " ".join([f"{first},{floor:.1f}", *points, f"{last},{floor:.1f}"])
                parts.append(f'<polygon class="{name} area" points="{filled}"/>')
            parts.append(f'<polyline class="{name}" points="{" ".join(points)}"/>')
        for name, at, value in marks:
            parts.append(f'<circle class="{name}" cx="{self._x(at):.1f}" cy="{self._y(value):.1f}" r="3"/>')
        return "".join([*parts, "</svg>"])

    def _grid(self) -> list[str]:
        parts = []
        for number in range(round((self._high - self._low) / self._step) + 1):
            value = self._low + number * self._step
            y = self._y(value)
            parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{WIDTH - _RIGHT}" y2="{y:.1f}"/>')
            parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_label(value, self._step)}</text>')
        last = len(self._moments) - 1
        form = "%Y-%m-%d" if self._moments[-1] - self._moments[0] > 3 * 86_400 else "%m-%d %H:%M"
        for part, anchor in ((0.0, "start"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"), (1.0, "end")):
            # left out where there is no room for five of them in letters that can be read
            spare = ' class="spare"' if part in {0.25, 0.75} else ""
            place = round(part * last)
            x = self._x(self._moments[place])
            label = self._dates[place].strftime(form)
            parts.append(f'<text{spare} x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{label}</text>')
        return parts

    def _points(self, values: Sequence[float]) -> list[str]:
        return [
            f"{self._x(self._moments[place]):.1f},{self._y(values[place]):.1f}" for place in _kept(values, MOST_POINTS)
        ]

    def _x(self, at: float) -> float:
        span = self._moments[-1] - self._moments[0] or 1.0
        return _LEFT + (at - self._moments[0]) / span * (WIDTH - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        return _TOP + (self._high - value) / (self._high - self._low) * (HEIGHT - _TOP - _BOTTOM)


def _step(span: float) -> float:
    """Return a round distance of grid lines, such that there are four to eight."""
    power = 10.0 ** math.floor(math.log10(span / 4))
    return next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= 6)


def _label(value: float, step: float) -> str:
    return f"{value:,.{max(0, -math.floor(math.log10(step)))}f}"


def _kept(values: Sequence[float], most: int) -> list[int]:
    """Return the places of at most `most` values: first, last, and the extremes of each stretch."""
    if len(values) <= most:
        return list(range(len(values)))
    length = math.ceil(len(values) / (most // 2 - 1))
    kept = {0, len(values) - 1}
    for start in range(0, len(values), length):
        stretch = range(start, min(start + length, len(values)))
        kept |= {min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)}
    return sorted(kept)
