"""Bodies and queries of orders."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, validate, validates_schema

from api.schemas.aliases import Aliased
from api.schemas.brackets import StoredExitSchema, exit_leg
from api.schemas.fields import Coded, DecimalString
from api.schemas.market import Symbol, Word
from api.schemas.portfolio import MODES
from api.schemas.trades import ACCOUNT, FeeSchema, TradeQuery, TradeSchema
from services.trading.orders import Changes
from utils.wire import (
    FINAL_STATUSES,
    GROUPABLE,
    MAX_TRAILING_PERCENT,
    OPEN_STATUSES,
    ORDER_TYPES,
    PRICED,
    SIDES,
    STOPPED,
    TIMES_IN_FORCE,
    TRAILING,
    OcoLeg,
    OrderTicket,
)


def _trailing(**options: Any) -> DecimalString:
    too_far = Coded("out_of_range", f"This must be at most {MAX_TRAILING_PERCENT}.")
    return DecimalString(
        positive=True, validate=validate.Range(max=MAX_TRAILING_PERCENT, error=too_far), allow_none=True, **options
    )


class OcoSchema(Schema):
    """The stop of a one-cancels-the-other pair; with `price` it is a stop-limit."""

    stop_price = DecimalString(required=True, positive=True)
    price = DecimalString(positive=True, load_default=None, allow_none=True)

    @post_load
    def leg(self, values: dict[str, Any], **_: Any) -> OcoLeg:
        """Return the leg."""
        return OcoLeg(**values)


class _Ordered(Aliased):
    ALIASES = {"quantity": "amount", "qty": "amount", "limit_price": "price"}


class OrderTicketSchema(_Ordered):
    """An order to place. `quantity` and `qty` are aliases of `amount`, `limit_price` of `price`."""

    symbol = Symbol(required=True, metadata={"example": "BTC/USDT"})
    side = Word(*SIDES, required=True, metadata={"example": "buy"})
    type = Word(*ORDER_TYPES, metadata={"description": "When absent: limit with a price, else market."})
    # that an amount is above zero is a rule of the market, and answered as one
    amount = DecimalString(load_default=None, allow_none=True, metadata={"description": "In base units."})
    quote_amount = DecimalString(
        load_default=None,
        allow_none=True,
        metadata={"description": "On market buys, instead of amount."},
    )
    price = DecimalString(positive=True, load_default=None, allow_none=True)
    stop_price = DecimalString(positive=True, load_default=None, allow_none=True)
    trailing_percent = _trailing(load_default=None)
    time_in_force = Word(*TIMES_IN_FORCE, load_default="gtc")
    reduce_only = fields.Boolean(load_default=False, truthy={True}, falsy={False})
    client_order_id = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp(r"[A-Za-z0-9_.:-]{1,48}\Z", error="Use 1 to 48 letters, digits and _ . : -"),
    )
    oco = fields.Nested(OcoSchema, load_default=None, allow_none=True)
    take_profit = exit_leg("Placed when the order fills: `price` a limit, `stop_price` a trigger.", load_default=None)
    stop_loss = exit_leg("Placed when the order fills: a stop at `stop_price`, at best `price`.", load_default=None)
    account = fields.String(
        load_default=None,
        allow_none=True,
        validate=ACCOUNT,
        metadata={"description": "The main account when absent."},
    )

    def settle(self, body: dict[str, Any]) -> dict[str, Any]:
        """Choose the type when none is given; a market order takes no price, whatever was sent."""
        kind = body.get("type")
        if kind is None:
            kind = "market" if body.get("price") is None else "limit"
        if isinstance(kind, str) and kind.strip().lower() == "market":
            body.pop("price", None)
        return {**body, "type": kind}

    @validates_schema
    def check_fields(self, values: dict[str, Any], **_: Any) -> None:
        """Require what the order's type needs and refuse what it has no use for."""
        kind = values["type"]
        faults: dict[str, list[str]] = {}
        for name, types in (("price", PRICED), ("stop_price", STOPPED), ("trailing_percent", TRAILING)):
            given = values[name] is not None
            if kind in types and not given:
                faults[name] = [Coded("required", f"A {kind} order needs it.")]
            elif given and kind not in types:
                faults[name] = [Coded("not_applicable", f"A {kind} order has none.")]
        if values["quote_amount"] is not None and (kind, values["side"]) != ("market", "buy"):
            faults["quote_amount"] = [Coded("not_applicable", "Only market buys take it.")]
        elif values["amount"] is None and values["quote_amount"] is None:
            faults["amount"] = [Coded("required", "Say how much.")]
        elif values["amount"] is not None and values["quote_amount"] is not None:
            faults["quote_amount"] = [Coded("ambiguous", "Send either amount or quote_amount.")]
        if values["oco"] is not None and kind not in GROUPABLE:
            faults["oco"] = [Coded("not_applicable", f"A {kind} order has none.")]
        if faults:
            raise ValidationError(faults)

    @post_load
    def ticket(self, values: dict[str, Any], **_: Any) -> tuple[str | None, OrderTicket]:
        """Return the account and the ticket."""
        account = values.pop("account")
        return account, OrderTicket(**values)


class OrderChangesSchema(_Ordered):
    """What to change of an open order. The aliases of an order work too."""

    amount = DecimalString(allow_none=True)
    price = DecimalString(positive=True, allow_none=True)
    stop_price = DecimalString(positive=True, allow_none=True)
    trailing_percent = _trailing()
    take_profit = exit_leg("Replaces the exit that waits for the order to fill.")
    stop_loss = exit_leg("Replaces the exit that waits for the order to fill.")

    @validates_schema
    def check_any(self, values: dict[str, Any], **_: Any) -> None:
        """Refuse a change of nothing."""
        if all(value is None for value in values.values()):
            raise ValidationError(Coded("required", "Send what to change."))

    @post_load
    def changes(self, values: dict[str, Any], **_: Any) -> Changes:
        """Return the changes."""
        return Changes(**values)


class IdempotencyHeaders(Schema):
    """The key that makes placing repeatable."""

    class Meta:
        """Leave the other headers alone."""

        unknown = EXCLUDE

    key = fields.String(
        data_key="Idempotency-Key",
        load_default=None,
        validate=validate.Regexp(
            r"[\x20-\x7e]{1,255}\Z", error=Coded("invalid_idempotency_key", "Use 1 to 255 printable ASCII characters.")
        ),
        metadata={"description": "Repeating a request with its key is answered with the first one's outcome."},
    )


class OrderQuery(TradeQuery):
    """Which orders are wanted."""

    status = Word("open", "closed", "all", load_default="all")


class CancelQuery(Schema):
    """Which open orders are canceled: all of the caller's that match."""

    account = fields.String(load_default=None, validate=ACCOUNT, metadata={"description": "All when absent."})
    symbol = Symbol(load_default=None)
    side = Word(*SIDES, load_default=None)


class OptionalAccountQuery(Schema):
    """Whether one account alone is meant."""

    account = fields.String(load_default=None, validate=ACCOUNT, metadata={"description": "All when absent."})


class OrderSchema(Schema):
    """An order."""

    id = fields.String(required=True)
    client_order_id = fields.String(required=True)
    account = fields.String(required=True)
    mode = fields.String(required=True, validate=validate.OneOf(MODES))
    exchange = fields.String(required=True)
    symbol = fields.String(required=True)
    side = fields.String(required=True, validate=validate.OneOf(SIDES))
    type = fields.String(required=True, validate=validate.OneOf(ORDER_TYPES))
    status = fields.String(required=True, validate=validate.OneOf([*OPEN_STATUSES, *FINAL_STATUSES]))
    amount = DecimalString(required=True)
    filled = DecimalString(required=True)
    remaining = DecimalString(required=True)
    price = DecimalString(required=True, allow_none=True)
    stop_price = DecimalString(required=True, allow_none=True)
    trailing_percent = DecimalString(required=True, allow_none=True)
    average = DecimalString(required=True, allow_none=True, metadata={"description": "Mean price of the fills."})
    cost = DecimalString(required=True, metadata={"description": "What was filled, in quote units, without the fee."})
    fee = fields.Nested(FeeSchema, required=True, allow_none=True)
    time_in_force = fields.String(required=True, validate=validate.OneOf(TIMES_IN_FORCE))
    reduce_only = fields.Boolean(required=True)
    group_id = fields.String(required=True, allow_none=True, metadata={"description": "Joins an OCO pair."})
    triggered_at = fields.DateTime(required=True, allow_none=True)
    reject_code = fields.String(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)
    trailing_level = DecimalString(
        required=True, allow_none=True, metadata={"description": "The best price a trailing order has seen."}
    )
    sent_at = fields.DateTime(
        required=True,
        allow_none=True,
        metadata={"description": "When a live order was made ready to be sent; null while it is held."},
    )
    parent_id = fields.String(required=True, allow_none=True, metadata={"description": "The entry of an exit."})
    take_profit = fields.Nested(StoredExitSchema, required=True, allow_none=True)
    stop_loss = fields.Nested(StoredExitSchema, required=True, allow_none=True)
    exchange_order_id = fields.String(
        required=True, allow_none=True, metadata={"description": "The exchange's own id of a live order."}
    )
    replaced_by = fields.String(
        required=True, allow_none=True, metadata={"description": "The order that an edit made of this one."}
    )


class TradedOrderSchema(OrderSchema):
    """An order with the trades that it led to."""

    trade_count = fields.Integer(required=True)
    trades = fields.List(
        fields.Nested(TradeSchema), required=True, metadata={"description": "The latest 100, oldest first."}
    )
