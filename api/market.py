"""Market data."""

from __future__ import annotations

from typing import Any

from api.blueprint import ENGINE, Blueprint
from api.context import services
from api.schemas.market import (
    CandleQuery,
    CandleSchema,
    InstrumentQuery,
    InstrumentSchema,
    TickerQuery,
    TickerSchema,
    TickersQuery,
)
from services.market import symbol_of
from utils.wire import Candle, GetCandles, Instrument, Ticker

blueprint = Blueprint("market", "Markets, their rules, prices and candles")


@blueprint.route("/api/market/instruments", "/api/candles/instruments", permission="market:read", errors=ENGINE)
@blueprint.arguments(InstrumentQuery, location="query")
@blueprint.response(200, InstrumentSchema, many=True)
def list_instruments(query: dict[str, Any]) -> list[Instrument]:
    """List the markets and their rules."""
    return services.market.instruments(**query)


@blueprint.route("/api/market/candles", "/api/candles/", permission="market:read", errors=ENGINE)
@blueprint.arguments(CandleQuery, location="query")
@blueprint.response(200, CandleSchema, many=True)
def list_candles(query: GetCandles) -> list[Candle]:
    """Return candles, ascending; the last one may still run."""
    return services.market.candles(query)


@blueprint.route("/api/market/tickers", permission="market:read", errors=ENGINE)
@blueprint.arguments(TickersQuery, location="query")
@blueprint.response(200, TickerSchema, many=True)
def list_tickers(query: dict[str, Any]) -> list[Ticker]:
    """Return the tickers of some markets, or of all."""
    return services.market.tickers(**query)


@blueprint.route("/api/market/ticker/<path:symbol>", permission="market:read", errors=ENGINE)
@blueprint.arguments(TickerQuery, location="query")
@blueprint.response(200, TickerSchema)
def get_ticker(query: dict[str, Any], symbol: str) -> Ticker:
    """Return one ticker; `BTC-USDT` means `BTC/USDT`."""
    return services.market.ticker(symbol_of(symbol), **query)
