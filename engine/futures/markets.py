"""The markets of a futures account, and its positions as SQL has them."""

from __future__ import annotations

from engine.futures.position import DEFAULT_LEVERAGE, Position
from engine.journal.records import AccountRecord
from engine.markets.market import Market, inverse_not_supported
from engine.orders import drafts
from utils.wire import Instrument


def tradable(market: Market, currency: str) -> dict[str, Instrument]:
    """Return the linear perpetuals that are settled in `currency`."""
    return {
        symbol: instrument
        for symbol, instrument in market.instruments.items()
        if instrument.type == "swap" and instrument.linear and instrument.settle == currency
    }


def check_tradable(instrument: Instrument, markets: dict[str, Instrument], currency: str) -> None:
    """Hold a market against the account's `markets`, settled in `currency`. :raises Refused: it is none of them."""
    if instrument.linear is False:
        raise inverse_not_supported()
    if instrument.symbol not in markets:
        detail = f"A futures account trades perpetuals settled in {currency}."
        raise drafts.refuse("not_a_futures_market", "symbol", detail)


def stored(record: AccountRecord, markets: dict[str, Instrument]) -> dict[str, Position]:
    """Return the account's position in every market, as SQL has it or as it is before the first order."""
    known = {
        row["symbol"]: Position(**{name: row[name] for name in Position.__struct_fields__}) for row in record.positions
    }
    most = DEFAULT_LEVERAGE if record.entry is None else record.entry.max_leverage or DEFAULT_LEVERAGE
    leverage = min(most, DEFAULT_LEVERAGE)
    return {symbol: known.get(symbol) or Position(symbol=symbol, leverage=leverage) for symbol in markets}
