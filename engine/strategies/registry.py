"""The classes of strategies: every module of `engine/strategies/classes` is searched for them."""

from __future__ import annotations

import inspect
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from engine.markets.market import Market
from engine.strategies import classes
from engine.strategies import settings as options
from engine.strategies.mode import StrategyMode
from engine.strategies.settings import Settings
from utils.errors import FieldError, Refused
from utils.wire import CheckStrategy, StrategyClass

ORIGIN = "house"
"""Of the classes that come with this program; `house:grid` is `grid`."""
MOST_SYMBOLS = 20


@cache
def kinds() -> dict[str, type[StrategyMode]]:
    """Return all classes by name, in alphabetical order."""
    found: dict[str, type[StrategyMode]] = {}
    for module in iter_modules(classes.__path__, f"{classes.__name__}."):
        for kind in vars(import_module(module.name)).values():
            if inspect.isclass(kind) and issubclass(kind, StrategyMode) and kind.__module__ == module.name:
                found[kind.NAME] = kind
    return dict(sorted(found.items()))


def listing() -> list[StrategyClass]:
    """Describe all classes."""
    return [_described(kind) for kind in kinds().values()]


def kind_of(name: str) -> type[StrategyMode]:
    """Return the class that `name` means. :raises Refused: `unknown_strategy_class`."""
    try:
        return kinds()[_plain(name)]
    except KeyError:
        raise _refused("strategy_class", "unknown_strategy_class", f"Use one of {', '.join(kinds())}.") from None


def read(kind: type[StrategyMode], given: dict[str, Any], symbols: list[str]) -> Settings:
    """Return settings of a strategy that trades `symbols`. :raises Refused: `invalid_settings`."""
    settings = options.read(kind.SETTINGS, given)
    try:
        kind.check(settings, symbols)
    except ValueError as error:
        raise options.refused("", str(error)) from None
    return settings


def is_ours(name: str) -> bool:
    """Tell whether `name` means a class that comes with this program."""
    return _plain(name) in kinds()


def symbols_of(query: CheckStrategy, market: Market | None, name: str, *, is_basket: bool) -> list[str]:
    """Return what a strategy of the class `name` is to trade.

    :param market: None when its symbols need not be listed.
    :raises Refused: a symbol does not fit, or there are too many. :raises NotFound: unknown symbol.
    """
    names = [_symbol(each) for each in query.portfolio_name.split(",")]
    symbols = list(dict.fromkeys(each for each in names if each))
    if not symbols or len(symbols) > (MOST_SYMBOLS if is_basket else 1):
        wanted = f"from one to {MOST_SYMBOLS} markets" if is_basket else "one market"
        raise _refused("portfolio_name", "invalid_portfolio_name", f"{name} trades {wanted}.")
    for symbol in symbols:
        _check_market(symbol, market, query.reference_currency)
    return symbols


def _check_market(symbol: str, market: Market | None, currency: str) -> None:
    """Refuse a market that strategies cannot trade; None for one that need not be listed."""
    instrument = None if market is None else market.instrument(symbol)
    if instrument is not None and instrument.type != "spot":
        raise _refused("portfolio_name", "not_a_spot_market", "Strategies trade spot markets.")
    quote = symbol.partition("/")[2] if instrument is None else instrument.quote
    if quote != currency:
        detail = f"{symbol} is paid in {quote}; the account is funded in {currency}."
        raise _refused("portfolio_name", "wrong_quote_currency", detail)


def _plain(name: str) -> str:
    return name.removeprefix(f"{ORIGIN}:").lower()


def _symbol(name: str) -> str:
    upper = name.strip().upper()
    return upper if "/" in upper else upper.replace("-", "/", 1)


def _described(kind: type[StrategyMode]) -> StrategyClass:
    title, _, description = inspect.cleandoc(kind.__doc__ or "").partition("\n")
    return StrategyClass(
        name=kind.NAME,
        origin=ORIGIN,
        title=title.rstrip("."),
        description=" ".join(description.split()),
        basket=kind.BASKET,
        settings=options.schema(kind.SETTINGS),
        defaults=options.stored(kind.SETTINGS()),
    )


def _refused(field: str, code: str, detail: str) -> Refused:
    return Refused(detail, code=code, errors=(FieldError(field=field, code=code, message=detail),))
