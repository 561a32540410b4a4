"""Bodies and queries of backtests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.accounts import Funds
from api.schemas.aliases import Aliased
from api.schemas.envelope import PageQuery
from api.schemas.fields import DecimalString, invalid
from api.schemas.market import Moment, Symbol, Timeframe, Word
from api.schemas.strategies import EXCHANGE, settings_field
from api.schemas.trades import ACCOUNT
from services.backtests.plans import NewRun
from services.market import DEFAULT_EXCHANGE
from utils.wire import SIDES

STATES = ("queued", "running", "succeeded", "failed", "canceled")
MOST_SYMBOLS = 20
_CURRENCY = validate.Regexp(r"[A-Z0-9]{1,16}\Z", error="Use a currency, such as USDT.")


class Fee(DecimalString):
    """A share of each trade's cost."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Decimal:
        share = super()._deserialize(value, *args, **kwargs)
        if not 0 <= share <= Decimal("0.1") or share != round(share, 8):
            raise invalid("out_of_range", "A share from 0 to 0.1, of at most 8 decimals, such as 0.001.")
        return share


class PlayedSchema(Aliased):
    """What is to be played."""

    ALIASES = {"data": "data_file"}
    strategy_class = fields.String(required=True, validate=validate.Length(min=1, max=64))
    settings = settings_field(load_default=dict)
    symbols = fields.List(Symbol(required=True), required=True, validate=validate.Length(min=1, max=MOST_SYMBOLS))
    timeframe = Timeframe(
        required=True, metadata={"description": "Of the candles; the strategy's own time frame when it names none."}
    )
    exchange = fields.String(load_default=DEFAULT_EXCHANGE, validate=EXCHANGE)
    starting_portfolio = fields.Dict(
        keys=fields.String(validate=_CURRENCY),
        values=Funds(),
        required=True,
        validate=validate.Length(min=1, max=MOST_SYMBOLS + 1),
        metadata={"description": "What there is at the start, by currency."},
    )
    fee = Fee(
        load_default=None,
        allow_none=True,
        metadata={"description": "Share of each trade's cost; the market's fees when absent."},
    )
    begins_at = Moment(data_key="from", load_default=None, allow_none=True)
    ends_at = Moment(data_key="to", load_default=None, allow_none=True)
    data_file = fields.String(
        load_default=None,
        allow_none=True,
        validate=ACCOUNT,
        metadata={"description": "The id of an upload whose candles are played; the exchange's own when absent."},
    )


class NewBacktestSchema(PlayedSchema):
    """A backtest to play. Without `from` and `to` the latest 500 candles are. `data` is an alias of `data_file`."""

    @post_load
    def run(self, values: dict[str, Any], **_: Any) -> NewRun:
        """Return the backtest to play."""
        return NewRun(**values)


class PlaySchema(Schema):
    """What is played, and how far that is."""

    id = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    exchange = fields.String(required=True)
    strategy_class = fields.String(required=True)
    symbols = fields.List(fields.String(), required=True)
    timeframe = fields.String(required=True)
    begins_at = fields.DateTime(required=True, data_key="from")
    ends_at = fields.DateTime(required=True, data_key="to")
    starting_portfolio = fields.Dict(keys=fields.String(), values=DecimalString(), required=True)
    fee = DecimalString(required=True, allow_none=True)
    data_file = fields.String(required=True, allow_none=True)
    error_code = fields.String(required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True, metadata={"description": "Why it failed, in words."})
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class BacktestRunSchema(PlaySchema):
    """A backtest."""

    status = fields.String(
        required=True, validate=validate.OneOf(STATES), metadata={"description": "The same as `state`."}
    )
    progress = fields.Integer(required=True, metadata={"description": "In percent of the candles."})
    settings = fields.Dict(required=True)


class BacktestQuery(PageQuery):
    """Which backtests are wanted."""

    state = Word(*STATES, load_default=None, metadata={"description": "All when absent."})


class ReportQuery(Schema):
    """The form of the report."""

    format = Word("json", "csv", "html", load_default="json", metadata={"description": "`csv` is its trades."})


class OutcomeSchema(Schema):
    """How well it did; null is what cannot be told."""

    ending_value = DecimalString(required=True)
    profit = DecimalString(required=True)
    profit_percent = DecimalString(required=True, allow_none=True)
    max_drawdown = DecimalString(required=True, allow_none=True, metadata={"description": "In percent."})
    sharpe_ratio = DecimalString(required=True, allow_none=True)
    sortino_ratio = DecimalString(required=True, allow_none=True)
    volatility = DecimalString(required=True, allow_none=True, metadata={"description": "In percent a year."})


class PlayedTradeSchema(Schema):
    """A fill, at the candles' time."""

    at = fields.DateTime(required=True)
    order = fields.String(required=True, metadata={"description": "What the order was for."})
    symbol = fields.String(required=True)
    side = fields.String(required=True, validate=validate.OneOf(SIDES))
    price = DecimalString(required=True)
    amount = DecimalString(required=True)
    cost = DecimalString(required=True)
    fee = DecimalString(required=True)
    realized_pnl = DecimalString(required=True, allow_none=True)


class WorthSchema(Schema):
    """What everything was worth when a candle had closed."""

    at = fields.DateTime(required=True)
    value = DecimalString(required=True)
    held = DecimalString(required=True, metadata={"description": "What it would have been had it all been held."})


class ReportSchema(Schema):
    """What came of a backtest; amounts in `currency`."""

    run = fields.Nested(BacktestRunSchema, required=True)
    currency = fields.String(required=True)
    candles = fields.Integer(required=True)
    starting_value = DecimalString(required=True)
    strategy = fields.Nested(OutcomeSchema, required=True)
    buy_and_hold = fields.Nested(
        OutcomeSchema,
        required=True,
        metadata={"description": "Had the money bought the same value of each market at the start."},
    )
    realized_pnl = DecimalString(required=True)
    fees = DecimalString(required=True)
    closed_trades = fields.Integer(required=True)
    win_rate = DecimalString(required=True, allow_none=True, metadata={"description": "In percent of closed trades."})
    ratio_interval_seconds = fields.Integer(required=True)
    holdings = fields.Dict(keys=fields.String(), values=DecimalString(), required=True)
    trades = fields.List(fields.Nested(PlayedTradeSchema), required=True)
    equity = fields.List(fields.Nested(WorthSchema), required=True)
    log = fields.List(fields.String(), required=True)
