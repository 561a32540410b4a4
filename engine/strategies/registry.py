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
from utils.wire import StrategyClass, StrategyDraft

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
        return kinds()[name.removeprefix(f"{ORIGIN}:").lower()]
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


def draft(
    market: Market, currency: str, *, name: str, portfolio_name: str, given: dict[str, Any], is_listed: bool = True
) -> StrategyDraft:
    """Hold a strategy that is to be added against its class and its market.

    :raises Refused: the class, a symbol or a setting does not fit. :raises NotFound: unknown symbol.
    """
    kind = kind_of(name)
    symbols = _symbols(kind, portfolio_name)
    for symbol in symbols:
        _check_market(symbol, market if is_listed else None, currency)
    settings = read(kind, given, symbols)
    return StrategyDraft(strategy_class=kind.NAME, portfolio_name=",".join(symbols), settings=options.stored(settings))


def _symbols(kind: type[StrategyMode], portfolio_name: str) -> list[str]:
    names = [_symbol(name) for name in portfolio_name.split(",")]
    symbols = list(dict.fromkeys(name for name in names if name))
    if not symbols or len(symbols) > (MOST_SYMBOLS if kind.BASKET else 1):
        wanted = f"from one to {MOST_SYMBOLS} markets" if kind.BASKET else "one market"
        raise _refused("portfolio_name", "invalid_portfolio_name", f"{kind.NAME} trades {wanted}.")
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
