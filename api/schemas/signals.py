"""Bodies of alerts, and of the keys under which they come in."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, pre_load, validate, validates_schema

from api.schemas.fields import Coded, DecimalString
from api.schemas.market import Word
from utils.wire import FINAL_STATUSES, OPEN_STATUSES, Alert


class SignalKeySchema(Schema):
    """A key under which alerts reach a strategy; of an old one its end alone is told."""

    id = fields.String(required=True)
    key_hint = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    key = fields.String(required=True, allow_none=True, metadata={"description": "Told once, when it is made."})
    path = fields.String(required=True, allow_none=True, metadata={"description": "Where alerts are sent with it."})


class DeletedKeySchema(Schema):
    """The key that is good for nothing now."""

    id = fields.String(required=True)


class AlertSchema(Schema):
    """What a strategy is to do. `side` is an alias of `action`, `quantity` and `qty` of `amount`."""

    ALIASES = {"side": "action", "quantity": "amount", "qty": "amount"}

    action = Word("buy", "sell", "close", required=True)
    id = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(min=1, max=256),
        metadata={"description": "An alert with an id that was seen before does nothing again."},
    )
    symbol = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(min=1, max=64),
        metadata={"description": "Held against the strategy's own: `BTCUSDT`, `BINANCE:BTCUSDT` or `BTC/USDT`."},
    )
    type = Word("market", "limit", load_default=None, allow_none=True)
    amount = DecimalString(positive=True, load_default=None, allow_none=True)
    quote_amount = DecimalString(positive=True, load_default=None, allow_none=True)
    price = DecimalString(positive=True, load_default=None, allow_none=True)

    @pre_load
    def rename(self, body: Any, **_: Any) -> Any:
        """Take the names that templates use."""
        if not isinstance(body, dict):
            return body
        renamed = {self.ALIASES.get(name, name): value for name, value in body.items() if name in self.ALIASES}
        return {**renamed, **{name: value for name, value in body.items() if name not in self.ALIASES}}

    @validates_schema
    def check_fields(self, values: dict[str, Any], **_: Any) -> None:
        """Refuse what does not go together."""
        if values["type"] == "limit" and values["price"] is None:
            raise ValidationError({"price": [Coded("required", "A limit order needs it.")]})
        if values["amount"] is not None and values["quote_amount"] is not None:
            raise ValidationError({"quote_amount": [Coded("ambiguous", "Send either amount or quote_amount.")]})
        if values["quote_amount"] is not None and (values["action"], values["type"]) not in {
            ("buy", None),
            ("buy", "market"),
        }:
            raise ValidationError({"quote_amount": [Coded("not_applicable", "Only market buys take it.")]})

    @post_load
    def alert(self, values: dict[str, Any], **_: Any) -> Alert:
        """Return the alert; the price of a market order is what a template says of the past."""
        values["type"] = values["type"] or "market"
        if values["type"] == "market":
            values["price"] = None
        return Alert(**values)


class AlertOrderSchema(Schema):
    """What became of the order that an alert asked for."""

    id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf([*OPEN_STATUSES, *FINAL_STATUSES]))
