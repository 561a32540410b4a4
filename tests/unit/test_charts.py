"""Charts: round grids, all extremes, and nothing outside the plane."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from api.charts import HEIGHT, MOST_POINTS, WIDTH, Chart
from api.report_page import _STYLE

START = datetime(2026, 11, 20, tzinfo=UTC)


def drawn(values: list[float]) -> str:
    moments = [START + timedelta(hours=number) for number in range(len(values))]
    return Chart("A & B", moments, min(values), max(values)).draw([("own", values)], area="own")


def points(chart: str) -> list[tuple[float, float]]:
    (found,) = re.findall(r'<polyline class="own" points="([^"]*)"', chart)
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in found.split())]


@pytest.mark.parametrize("values", [[5.0, 5.0], [0.0, 0.0], [4_784.45, 5_499.38, 5_000.0], [-8.0, 0.0], [1e-7, 3e-7]])
def test_everything_lies_within_the_plane(values: list[float]) -> None:
    chart = drawn(values)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points(chart))
    assert 2 <= chart.count('class="grid"') <= 9
    assert "A &amp; B" in chart


def test_higher_is_further_up_and_later_further_right() -> None:
    (x0, y0), (x1, y1) = points(drawn([1.0, 2.0]))
    assert x0 < x1
    assert y0 > y1


def test_of_many_values_the_extremes_stay() -> None:
    values = [float(number % 7) for number in range(20_000)]
    values[12_345], values[6_789] = 100.0, -100.0
    found = points(drawn(values))
    assert len(found) <= MOST_POINTS
    heights = sorted(y for _, y in found)
    assert heights[0] < heights[1] - 50
    assert heights[-1] > heights[-2] + 50


def test_a_phone_can_do_without_every_second_date() -> None:
    dates = re.findall(r'<text([^>]*) y="292" text-anchor="(\w+)">', drawn([float(number) for number in range(100)]))
    assert [("spare" in given, anchor) for given, anchor in dates] == [
        (False, "start"),
        (True, "middle"),
        (False, "middle"),
        (True, "middle"),
        (False, "end"),
    ]
    assert re.search(r"max-width:560px\)\{.*svg \.spare\{display:none\}", _STYLE)
