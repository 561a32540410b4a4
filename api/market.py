"""Market data."""

from __future__ import annotations

from typing import Any

from api.answers import KEPT
from api.blueprint import ENGINE, Blueprint
from api.context import services
from api.schemas.market import (
    BookQuery,
    CandleQuery,
    CandleSchema,
    InstrumentQuery,
    InstrumentSchema,
    MarketTradeSchema,
    MarketTradesQuery,
    OrderBookSchema,
    TickerQuery,
    TickerSchema,
    TickersQuery,
)
from api.schemas.options import OptionChainQuery, OptionChainSchema
from services.market import symbol_of
from utils.pages import Aged, Cursor, Page
from utils.wire import Candle, GetCandles, Instrument, MarketTrade, OptionChain, OrderBook, Ticker

blueprint = Blueprint("market", "Markets, their rules, prices, candles, offers, trades and options")


@blueprint.route("/api/market/instruments", "/api/candles/instruments", permission="market:read", errors=ENGINE)
@blueprint.arguments(InstrumentQuery, location="query")
@blueprint.kept()
@blueprint.response(200, InstrumentSchema, paged=True, aged=True, headers=KEPT)
def list_instruments(query: dict[str, Any]) -> Aged[Page[Instrument]]:
    """List the markets and their rules, by exchange and symbol."""
    return services.market.instruments(**query)


@blueprint.route("/api/market/candles", "/api/candles/", "/api/candles", permission="market:read", errors=ENGINE)
@blueprint.arguments(CandleQuery, location="query")
@blueprint.kept()
@blueprint.response(200, CandleSchema, paged=True, aged=True, headers=KEPT)
def list_candles(query: tuple[GetCandles, Cursor | None]) -> Aged[Page[Candle]]:
    """Return candles, ascending and without gaps; the last one may still be running.

    Where an exchange has no candle because nobody traded, there is a flat one without volume.
    """
    return services.market.candles(*query)


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


@blueprint.route("/api/market/order-book/<path:symbol>", permission="market:read", errors=ENGINE)
@blueprint.arguments(BookQuery, location="query")
@blueprint.response(200, OrderBookSchema)
def get_order_book(query: dict[str, Any], symbol: str) -> OrderBook:
    """Return the best offers on each side; `BTC-USDT` means `BTC/USDT`."""
    return services.market.order_book(symbol_of(symbol), **query)


@blueprint.route("/api/market/trades/<path:symbol>", permission="market:read", errors=ENGINE)
@blueprint.arguments(MarketTradesQuery, location="query")
@blueprint.response(200, MarketTradeSchema, many=True, aged=True)
def list_market_trades(query: dict[str, Any], symbol: str) -> Aged[list[MarketTrade]]:
    """Return the latest trades of a market, newest first."""
    return services.market.trades(symbol_of(symbol), **query)


@blueprint.route(
    "/api/market/options-chain/<path:symbol>",
    "/api/candles/options-chain/<path:symbol>",
    permission="market:read",
    errors=ENGINE,
)
@blueprint.arguments(OptionChainQuery, location="query")
@blueprint.response(200, OptionChainSchema)
def get_option_chain(query: dict[str, Any], symbol: str) -> OptionChain:
    """Return the options on a market, by expiry and strike; they are quoted, not traded here."""
    return services.market.option_chain(symbol_of(symbol), **query)
