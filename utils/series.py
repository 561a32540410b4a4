"""Series of values over time: thinned for a chart without losing its shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def downsampled[Point](
    points: Sequence[Point], most: int, x: Callable[[Point], float], y: Callable[[Point], float]
) -> list[Point]:
    """Return at most `most` of `points`, the first and the last among them, chosen so that a chart looks alike.

    Largest-Triangle-Three-Buckets: S. Steinarsson, Downsampling Time Series for Visual Representation, University of
    Iceland, 2013. Points are taken as they are, none is made up.

    :param most: at least 3.
    """
    count = len(points)
    if count <= most:
        return list(points)
    width = (count - 2) / (most - 2)
    edges = [1 + int(number * width) for number in range(most - 1)]
    edges[-1] = count - 1
    chosen = [points[0]]
    for number in range(most - 2):
        start, end = edges[number], edges[number + 1]
        following = points[end : edges[number + 2]] if number + 2 < most - 1 else points[-1:]
        ahead = (sum(map(x, following)) / len(following), sum(map(y, following)) / len(following))
        last = (x(chosen[-1]), y(chosen[-1]))
        chosen.append(max(points[start:end], key=lambda point: _area(last, (x(point), y(point)), ahead)))
    chosen.append(points[-1])
    return chosen


def _area(first: tuple[float, float], second: tuple[float, float], third: tuple[float, float]) -> float:
    """Return twice the area of a triangle."""
    return abs((first[0] - third[0]) * (second[1] - first[1]) - (first[0] - second[0]) * (third[1] - first[1]))
