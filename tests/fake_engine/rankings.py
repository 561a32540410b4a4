"""The engine in memory follows no tournament: there is no ranking to tell, and none to store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from utils.errors import NotFound
from utils.wire import GetRanking, StoreRanking


def ranking(_query: GetRanking) -> NoReturn:
    """Refuse it. :raises NotFound: `not_ranked`."""
    raise NotFound("This tournament is not followed now.", code="not_ranked")


def store(_query: StoreRanking) -> None:
    """Do nothing: nothing is followed."""


ANSWERS: dict[type, Callable[[Any], Any]] = {GetRanking: ranking, StoreRanking: store}
