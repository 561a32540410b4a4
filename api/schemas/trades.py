"""Queries and answers of trades."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.envelope import PageQuery
from api.schemas.fields import DecimalString
from api.schemas.market import Moment, Symbol, Word
from api.schemas.portfolio import MODES
from services.trading.filters import Filters
from services.trading.trade_export import ExportFilters
from utils.wire import SIDES

ACCOUNT = validate.Length(min=1, max=64)


class TradeQuery(PageQuery):
    """Which trades are wanted."""

    account = fields.String(validate=ACCOUNT, metadata={"description": "All accounts when absent."})
    symbol = Symbol()
    side = Word(*SIDES)
    after = Moment(metadata={"description": "Only what was created later."})
    until = Moment(metadata={"description": "Only what was created by then."})
    direction = Word("asc", "desc", load_default="desc")

    @post_load
    def read_cursor(self, values: dict[str, Any], **context: Any) -> Any:
        """Return the filters."""
        return Filters(**super().read_cursor(values, **context))


class ExportQuery(Schema):
    """Which trades are written, and how their cost is computed."""

    account = fields.String(load_default=None, validate=ACCOUNT, metadata={"description": "All accounts when absent."})
    symbol = Symbol(load_default=None)
    side = Word(*SIDES, load_default=None)
    after = Moment(load_default=None, metadata={"description": "Only what was created later."})
    until = Moment(load_default=None, metadata={"description": "Only what was created by then."})
    method = Word(
        "average",
        "fifo",
        load_default="average",
        metadata={"description": "Average cost, or first in, first out with a row for each lot."},
    )

    @post_load
    def filters(self, values: dict[str, Any], **_: Any) -> ExportFilters:
        """Return the filters."""
        return ExportFilters(**values)


class FeeSchema(Schema):
    """What was paid for trading."""

    currency = fields.String(required=True)
    cost = DecimalString(required=True)


class TradeSchema(Schema):
    """One fill of an order."""

    id = fields.String(required=True)
    order_id = fields.String(required=True)
    account = fields.String(required=True)
    mode = fields.String(required=True, validate=validate.OneOf(MODES))
    exchange = fields.String(required=True)
    symbol = fields.String(required=True)
    side = fields.String(required=True, validate=validate.OneOf(SIDES))
    price = DecimalString(required=True)
    amount = DecimalString(required=True)
    cost = DecimalString(required=True)
    fee = fields.Nested(FeeSchema, required=True, allow_none=True)
    realized_pnl = DecimalString(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    exchange_trade_id = fields.String(
        required=True, allow_none=True, metadata={"description": "The exchange's own id of a live fill."}
    )
