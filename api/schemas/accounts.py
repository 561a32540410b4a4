"""Bodies of accounts."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from api.arguments import OptionalBody
from api.schemas.envelope import PageQuery
from api.schemas.fields import Coded, DecimalString, invalid, is_seen
from api.schemas.market import Word
from api.schemas.portfolio import MODES
from services.accounts.accounts import PAPER_CURRENCY, PAPER_EXCHANGE
from services.accounts.changes import NewAccount

KINDS = ["main", "extra", "strategy", "tournament", "bot"]
TYPES = ["spot", "futures"]
MOST = Decimal(10) ** 12
DECIMALS = 18
_CURRENCY = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,15}")


class AccountName(fields.String):
    """A name of 1 to 64 printable characters; blanks around it do not count."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).strip()
        if not 1 <= len(text) <= 64 or not is_seen(text):
            raise invalid("invalid_name", "Use 1 to 64 printable characters.")
        return text


class Currency(fields.String):
    """A currency, such as USDT, in any case."""

    PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,15}$"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).strip().upper()
        if not _CURRENCY.fullmatch(text):
            raise invalid("invalid_currency", "A currency looks like USDT.")
        return text


class Funds(DecimalString):
    """An amount of play money: above zero, at most 10^12, at most 18 decimals."""

    def __init__(self, **options: Any) -> None:
        super().__init__(positive=True, **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Decimal:
        number = super()._deserialize(value, *args, **kwargs)
        if number > MOST:
            raise invalid("out_of_range", "This must be at most 1000000000000.")
        if number != round(number, DECIMALS):
            raise invalid("too_precise", f"More than {DECIMALS} decimals.")
        return number


class AccountSchema(Schema):
    """An account: a portfolio on one exchange, on paper or live."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    mode = fields.String(required=True, validate=validate.OneOf(MODES))
    exchange = fields.String(required=True)
    type = fields.String(required=True, validate=validate.OneOf(TYPES))
    reference_currency = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(["active", "archived"]))
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    credential = fields.String(required=True, allow_none=True, metadata={"description": "The keys of a live account."})
    starting_balance = DecimalString(required=True)
    deposited = DecimalString(
        required=True,
        allow_none=True,
        metadata={"description": "What was paid in since `reset_at`, or ever; null before the account was first used."},
    )
    reset_at = fields.DateTime(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)


class AccountsQuery(PageQuery):
    """Which accounts are wanted."""

    status = Word(
        "active",
        "archived",
        "all",
        load_default="all",
        metadata={"description": "Whether accounts that trade are wanted, or archived ones, or both."},
    )


class NewAccountSchema(Schema):
    """An account to open: on paper with a starting balance, or live with verified keys."""

    name = AccountName(required=True)
    mode = Word(*MODES, load_default="paper")
    exchange = fields.String(
        load_default=PAPER_EXCHANGE, validate=validate.Regexp(r"[a-z0-9_]{1,32}\Z", error="Use the exchange's name.")
    )
    type = Word(*TYPES, load_default="spot")
    credential = fields.String(load_default=None, allow_none=True, validate=validate.Length(min=1, max=64))
    starting_balance = Funds(
        load_default=None, allow_none=True, metadata={"description": "Of a paper account, 10000 when absent."}
    )
    reference_currency = Currency(load_default=PAPER_CURRENCY)

    @validates_schema
    def check_mode(self, values: dict[str, Any], **_: Any) -> None:
        """Require what the mode needs and refuse what it has no use for."""
        if values["mode"] == "paper":
            if values["credential"] is not None:
                raise ValidationError({"credential": [Coded("not_applicable", "A paper account has none.")]})
        elif values["credential"] is None:
            raise ValidationError({"credential": [Coded("required", "A live account trades with verified keys.")]})
        elif values["starting_balance"] is not None:
            raise ValidationError({"starting_balance": [Coded("not_applicable", "A live account has its own funds.")]})

    @post_load
    def account(self, values: dict[str, Any], **_: Any) -> NewAccount:
        """Return the account to open."""
        return NewAccount(**values)


class RenameSchema(Schema):
    """The account's new name."""

    name = AccountName(required=True)


class ResetSchema(OptionalBody):
    """What a paper account begins anew with."""

    starting_balance = Funds(
        load_default=None, allow_none=True, metadata={"description": "The present starting balance when absent."}
    )


class NewDepositSchema(Schema):
    """What to pay into a paper account."""

    currency = Currency(required=True)
    amount = Funds(required=True)


class DepositSchema(Schema):
    """What was paid in."""

    account = fields.String(required=True)
    currency = fields.String(required=True)
    amount = DecimalString(required=True)
    value = DecimalString(required=True, metadata={"description": "In the reference currency, at the mark price."})
    total = DecimalString(required=True, metadata={"description": "What the account has of the currency now."})
    deposited = DecimalString(required=True, metadata={"description": "All that was paid in, in the same units."})
    reference_currency = fields.String(required=True)
    created_at = fields.DateTime(required=True)
