"""The markets of the exchanges that this installation follows."""

from __future__ import annotations

from collections.abc import Iterator

from engine.market import Market
from utils.errors import NotFound


class Markets:
    """Hand out markets by the name of their exchange."""

    def __init__(self, markets: list[Market]) -> None:
        self._by_name = {market.exchange: market for market in markets}

    def __iter__(self) -> Iterator[Market]:
        return iter(self._by_name.values())

    def __contains__(self, exchange: str) -> bool:
        return exchange in self._by_name

    def get(self, exchange: str) -> Market:
        """Return the market of an exchange. :raises NotFound: `unknown_exchange`."""
        try:
            return self._by_name[exchange]
        except KeyError:
            raise NotFound(f"The exchange {exchange} is not connected.", code="unknown_exchange") from None
