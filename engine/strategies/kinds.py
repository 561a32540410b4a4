"""All strategy classes: those that come with this program, and installed tentacles."""

from __future__ import annotations

from typing import Any

from engine.markets.markets import Markets
from engine.strategies import registry
from engine.strategies.foreign.catalogue import Catalogue, Installed
from engine.strategies.settings import stored
from utils.errors import FieldError, Refused
from utils.home import Home
from utils.wire import CheckStrategy, StrategyClass, StrategyDraft


class Kinds:
    """Describe classes, and hold strategies against them. A name means a class of ours first."""

    def __init__(self, home: Home, markets: Markets) -> None:
        """Find installed classes in the bot's `home`."""
        self._catalogue = Catalogue(home, frozenset(registry.kinds()))
        self._markets = markets

    async def listing(self) -> list[StrategyClass]:
        """Describe all classes, ours first."""
        return [*registry.listing(), *(each.described() for each in (await self._catalogue.all()).values())]

    async def draft(self, query: CheckStrategy) -> StrategyDraft:
        """Hold a strategy that is to be added against its class and its market.

        :raises Refused: the class, a symbol or a setting does not fit. :raises NotFound: unknown symbol or exchange.
        :raises Overloaded: `tentacles_pending`.
        """
        market = self._markets.get(query.exchange)
        listed = market if query.is_listed else None
        installed = await self._installed(query.strategy_class)
        if installed is None:
            kind = registry.kind_of(query.strategy_class)
            symbols = registry.symbols_of(query, listed, kind.NAME, is_basket=kind.BASKET)
            name, settings = kind.NAME, stored(registry.read(kind, query.settings, symbols))
        else:
            _check_purpose(query)
            symbols = registry.symbols_of(query, listed, installed.name, is_basket=True)
            name, settings = installed.name, installed.read(query.settings)
        return StrategyDraft(strategy_class=name, portfolio_name=",".join(symbols), settings=settings)

    async def read(self, name: str, given: dict[str, Any], symbols: list[str]) -> dict[str, Any]:
        """Return all settings of a strategy, as they are stored.

        :raises Refused: `invalid_settings`, `unknown_strategy_class`. :raises Overloaded: `tentacles_pending`.
        """
        installed = await self._installed(name)
        if installed is not None:
            return installed.read(given)
        return stored(registry.read(registry.kind_of(name), given, symbols))

    async def _installed(self, name: str) -> Installed | None:
        return None if registry.is_ours(name) else await self._catalogue.find(name)


def _check_purpose(query: CheckStrategy) -> None:
    """Refuse an installed class where it cannot run."""
    if query.purpose == "live":
        code, detail = "paper_only", "Installed trading modes trade on paper; this account is a live one."
    elif query.purpose == "backtest":
        code, detail = "no_backtests", "Installed trading modes cannot be played on recorded candles."
    else:
        return
    error = FieldError(field="strategy_class", code=code, message=detail)
    raise Refused(detail, code=code, errors=(error,))
