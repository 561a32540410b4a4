"""Bodies of paper trading: those of trading, and the names that its clients read."""

from __future__ import annotations

from marshmallow import fields

from api.schemas.fields import DecimalString
from api.schemas.portfolio import BalanceSchema, PositionSchema
from api.schemas.trading import OrderSchema


class PaperOrderSchema(OrderSchema):
    """An order on a paper account."""

    order_id = fields.String(required=True, metadata={"description": "The same as `id`."})
    message = fields.String(required=True, metadata={"description": "What `status` means, for people."})


class PaperPositionSchema(PositionSchema):
    """A position of a paper account."""

    id = fields.String(required=True, metadata={"description": "Its symbol, as it is written in a path."})


class WalletSchema(BalanceSchema):
    """What a paper account holds."""

    available = DecimalString(required=True, metadata={"description": "Free, in the reference currency."})
    locked = DecimalString(required=True, metadata={"description": "Locked, in the reference currency."})
