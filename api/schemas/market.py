"""Bodies and queries of market data, and the fields that name markets, time frames and moments."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.envelope import PageQuery
from api.schemas.fields import Count, DecimalString, invalid
from services.market import DEFAULT_EXCHANGE, symbol_of, timeframe_of
from services.streams import MAX_SYMBOLS, SYMBOL
from utils import timeframes
from utils.clock import to_ms
from utils.errors import Refused
from utils.pages import Cursor
from utils.wire import SIDES, GetCandles

_NAME = validate.Regexp(r"[A-Za-z0-9_.-]{1,32}\Z", error="Use 1 to 32 letters, digits, dots, dashes and underscores.")
_MAX_MILLISECONDS = 253_402_300_799_999
_DIGITS = re.compile(r"[0-9]{1,15}")


class Word(fields.String):
    """One of a few words, in any case."""

    def __init__(self, *words: str, **options: Any) -> None:
        super().__init__(validate=validate.OneOf(words), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return super()._deserialize(value, attr, data, **kwargs).strip().lower()


class Symbol(fields.String):
    """A market, `BTC/USDT` or `BTC-USDT`, in any case."""

    PATTERN = f"^{SYMBOL.pattern}$"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).strip()
        if not SYMBOL.fullmatch(text):
            raise invalid("invalid_symbol", "A symbol looks like BTC/USDT.")
        return symbol_of(text)


class Symbols(fields.String):
    """Markets, separated by commas."""

    PATTERN = f"^{SYMBOL.pattern}(,{SYMBOL.pattern})*$"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        names = super()._deserialize(value, attr, data, **kwargs).split(",")
        if len(names) > MAX_SYMBOLS:
            raise invalid("too_many", f"Name at most {MAX_SYMBOLS} symbols.")
        one = Symbol()
        return list(dict.fromkeys(one.deserialize(name) for name in names))


class Timeframe(fields.String):
    """A time frame under any of its names."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            return timeframe_of(super()._deserialize(value, attr, data, **kwargs))
        except Refused as error:
            raise invalid(error.errors[0].code, error.errors[0].message) from None


class Moment(fields.AwareDateTime):
    """A time, RFC 3339; UTC when it names no zone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(format="iso", default_timezone=UTC, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            return super()._deserialize(value, attr, data, **kwargs).astimezone(UTC)
        except OverflowError:
            raise invalid("out_of_range", "This time is beyond the calendar.") from None


class Milliseconds(fields.String):
    """A time: epoch milliseconds or RFC 3339."""

    PATTERN = r"^([0-9]{1,15}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)?)$"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if _DIGITS.fullmatch(text):
            return min(int(text), _MAX_MILLISECONDS)
        return max(to_ms(Moment().deserialize(text)), 0)


class InstrumentQuery(PageQuery):
    """Which markets are wanted."""

    exchange = fields.String(validate=_NAME, metadata={"description": "All exchanges when absent."})
    type = Word("spot", "swap", "option", metadata={"description": "All kinds when absent."})
    base = fields.String(validate=_NAME)
    quote = fields.String(validate=_NAME)
    search = fields.String(validate=validate.Length(max=32))

    @post_load
    def uppercase(self, values: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Take currencies in any case."""
        return {name: text.upper() if name in {"base", "quote"} else text for name, text in values.items()}


class LeverageTierSchema(Schema):
    """What holds for positions worth at most `max_cost`; rates are fractions."""

    max_cost = DecimalString(required=True)
    max_leverage = DecimalString(required=True)
    maintenance_margin_rate = DecimalString(required=True)


class InstrumentSchema(Schema):
    """A market and its rules; fees are fractions. What follows `taker_fee` is of perpetuals (`swap`) alone."""

    symbol = fields.String(required=True, metadata={"example": "BTC/USDT"})
    exchange = fields.String(required=True)
    type = fields.String(required=True, validate=validate.OneOf(["spot", "swap", "option"]))
    base = fields.String(required=True)
    quote = fields.String(required=True)
    price_tick = DecimalString(required=True)
    amount_step = DecimalString(required=True)
    min_amount = DecimalString(required=True)
    max_amount = DecimalString(required=True, allow_none=True)
    min_cost = DecimalString(required=True)
    maker_fee = DecimalString(required=True)
    taker_fee = DecimalString(required=True)
    settle = fields.String(required=True, allow_none=True, metadata={"description": "What gains are paid in."})
    contract_size = DecimalString(required=True, allow_none=True)
    linear = fields.Boolean(
        required=True, allow_none=True, metadata={"description": "False: an inverse contract, which cannot be traded."}
    )
    max_leverage = DecimalString(required=True, allow_none=True)
    leverage_tiers = fields.List(fields.Nested(LeverageTierSchema), required=True)
    index = fields.String(required=True, allow_none=True, metadata={"description": "The spot pair that it follows."})
    funding_seconds = fields.Integer(required=True, allow_none=True)


class TickerQuery(Schema):
    """Where the market is."""

    exchange = fields.String(validate=_NAME, load_default=DEFAULT_EXCHANGE)


class TickersQuery(TickerQuery):
    """Which tickers are wanted."""

    symbols = Symbols(load_default=None, metadata={"description": "Separated by commas; all when absent."})


class TickerSchema(Schema):
    """The last 24 hours of a market."""

    symbol = fields.String(required=True)
    exchange = fields.String(required=True)
    last = DecimalString(required=True)
    bid = DecimalString(required=True)
    ask = DecimalString(required=True)
    high = DecimalString(required=True)
    low = DecimalString(required=True)
    volume = DecimalString(required=True)
    change_percent = DecimalString(required=True)
    as_of = fields.DateTime(required=True)
    stale = fields.Boolean(required=True)
    mark_price = DecimalString(required=True, allow_none=True, metadata={"description": "Of perpetuals alone."})
    index_price = DecimalString(required=True, allow_none=True)
    funding_rate = DecimalString(
        required=True, allow_none=True, metadata={"description": "As it stands; longs pay it to shorts."}
    )
    next_funding_at = fields.DateTime(required=True, allow_none=True)


class CandleQuery(TickerQuery):
    """Which candles are wanted: the newest, and by cursor older ones; or those from `since` on, and then newer ones."""

    symbol = Symbol(required=True, metadata={"example": "BTC/USDT"})
    timeframe = Timeframe(
        load_default="1h",
        metadata={
            "description": f"{', '.join(timeframes.NAMES)}; 5minute, 1hour, 1day, 60 and the like too. Weeks begin on "
            "Monday, months (`1M`) on their first day, UTC."
        },
    )
    limit = Count(load_default=200, validate=validate.Range(min=1, max=1000))
    since = Milliseconds(metadata={"description": "Epoch milliseconds or RFC 3339, inclusive."})
    until = Milliseconds(metadata={"description": "Epoch milliseconds or RFC 3339, inclusive."})

    cursor = fields.String(
        validate=validate.Length(max=200),
        metadata={"description": "`next_cursor` of the page before; the rest of the query stays the same."},
    )

    @post_load
    def query(self, values: dict[str, Any], **_: Any) -> tuple[GetCandles, Cursor | None]:
        """Return the query, and where it goes on."""
        cursor = values.pop("cursor", None)
        return GetCandles(**values), None if cursor is None else Cursor.decode(cursor)


class CandleSchema(Schema):
    """A candle; `timestamp` is its opening."""

    timestamp = fields.Integer(required=True, metadata={"description": "Epoch milliseconds."})
    time = fields.DateTime(required=True)
    open = DecimalString(required=True)
    high = DecimalString(required=True)
    low = DecimalString(required=True)
    close = DecimalString(required=True)
    volume = DecimalString(required=True)
    closed = fields.Boolean(required=True)


class BookQuery(TickerQuery):
    """Which part of the offers is wanted."""

    depth = Count(load_default=20, validate=validate.Range(min=1, max=100))


class LevelSchema(Schema):
    """An offer of `amount` base units at `price`."""

    price = DecimalString(required=True)
    amount = DecimalString(required=True)


class OrderBookSchema(Schema):
    """The offers of a market, best first on both sides."""

    symbol = fields.String(required=True)
    exchange = fields.String(required=True)
    bids = fields.List(fields.Nested(LevelSchema), required=True)
    asks = fields.List(fields.Nested(LevelSchema), required=True)
    as_of = fields.DateTime(required=True)
    stale = fields.Boolean(required=True)


class MarketTradesQuery(TickerQuery):
    """How many trades are wanted."""

    limit = Count(load_default=50, validate=validate.Range(min=1, max=500))


class MarketTradeSchema(Schema):
    """A trade of the market; `side` is the taker's."""

    id = fields.String(required=True, allow_none=True, metadata={"description": "Null where the exchange has none."})
    symbol = fields.String(required=True)
    exchange = fields.String(required=True)
    side = fields.String(required=True, validate=validate.OneOf(SIDES))
    price = DecimalString(required=True)
    amount = DecimalString(required=True)
    created_at = fields.DateTime(required=True)
