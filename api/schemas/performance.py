"""Bodies and queries of the value over time and the performance of accounts."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from api.schemas.accounts import KINDS, Currency
from api.schemas.fields import DecimalString
from api.schemas.market import Word
from api.schemas.portfolio import MODES, AccountQuery
from services.accounts.equity import LENGTHS

PERIODS = (*LENGTHS, "all")


class PeriodQuery(AccountQuery):
    """Which account and which time are meant."""

    period = Word(
        *PERIODS,
        load_default="1m",
        metadata={"description": "How far back; `all` since the account was opened or last reset."},
    )


class CurrencyQuery(Schema):
    """What everything is valued in."""

    currency = Currency(load_default=None, metadata={"description": "The main account's when absent."})


class EquityPointSchema(Schema):
    """What an account was worth at a moment."""

    at = fields.DateTime(required=True)
    value = DecimalString(required=True)
    deposited = DecimalString(required=True, metadata={"description": "What had been paid in by then."})
    profit = DecimalString(required=True)


class HistorySchema(Schema):
    """The equity curve, at most 300 points: the last is now."""

    account = fields.String(required=True)
    mode = fields.String(required=True, validate=validate.OneOf(MODES))
    reference_currency = fields.String(required=True)
    period = fields.String(required=True, validate=validate.OneOf(PERIODS))
    points = fields.List(fields.Nested(EquityPointSchema), required=True)


class GainSchema(Schema):
    """What was gained, and what percent that is of what was there at first and paid in since."""

    amount = DecimalString(required=True)
    percent = DecimalString(required=True, allow_none=True)


class FeesSchema(Schema):
    """What trading cost; `total` in the reference currency, null when a part of it has no known value."""

    total = DecimalString(required=True, allow_none=True)
    by_currency = fields.Dict(keys=fields.String(), values=DecimalString(), required=True)


class BasisSchema(Schema):
    """What the ratios are computed from."""

    interval_seconds = fields.Integer(required=True, metadata={"description": "The length of each return."})
    count = fields.Integer(required=True, metadata={"description": "How many returns there are."})
    periods_per_year = fields.Integer(required=True, metadata={"description": "Ratios are scaled by its square root."})
    risk_free_rate = DecimalString(required=True)


def _told(description: str) -> DecimalString:
    return DecimalString(required=True, allow_none=True, metadata={"description": description})


class PerformanceSchema(Schema):
    """How an account did, in its reference currency. Null is what cannot be told, such as a ratio of one day."""

    account = fields.String(required=True)
    mode = fields.String(required=True, validate=validate.OneOf(MODES))
    reference_currency = fields.String(required=True)
    period = fields.String(required=True, validate=validate.OneOf(PERIODS))
    since = fields.DateTime(required=True)
    until = fields.DateTime(required=True)
    starting_value = DecimalString(required=True)
    ending_value = DecimalString(required=True)
    net_deposits = DecimalString(required=True)
    profit = fields.Nested(GainSchema, required=True)
    realized_pnl = _told("Null for the operator's bot, which does not know it of all trades.")
    unrealized_pnl = _told("Of everything held now.")
    fees = fields.Nested(FeesSchema, required=True)
    trades = fields.Integer(required=True)
    closed_trades = fields.Integer(required=True, metadata={"description": "Trades that realised a gain or a loss."})
    win_rate = _told("Percent of the closed trades that gained.")
    profit_factor = _told("All gains to all losses; null without a loss.")
    best_trade = _told("The largest gain.")
    worst_trade = _told("The smallest gain, or the largest loss.")
    time_weighted_return = _told("Percent; what was paid in counts as no gain.")
    max_drawdown = _told("Percent of the peak before; what was paid in counts as no gain.")
    sharpe_ratio = _told("Yearly, with a risk-free rate of zero.")
    sortino_ratio = _told("Yearly, with a target of zero; null without a loss.")
    volatility = _told("Percent a year.")
    basis = fields.Nested(BasisSchema, required=True)


class ShareSchema(Schema):
    """A part of what is held."""

    name = fields.String(required=True, metadata={"description": "A currency, an account's id, or an exchange."})
    amount = _told("Of a currency alone.")
    value = _told("Null when no market tells.")
    percent = _told("Those of a list sum to 100.")


class ModeAllocationSchema(Schema):
    """How what is held in one mode is spread; open positions' unrealised gain is not in it."""

    mode = fields.String(required=True, validate=validate.OneOf(MODES))
    value = DecimalString(required=True)
    by_asset = fields.List(fields.Nested(ShareSchema), required=True)
    by_account = fields.List(fields.Nested(ShareSchema), required=True)
    by_exchange = fields.List(fields.Nested(ShareSchema), required=True)


class MissingSchema(Schema):
    """An account that cannot be valued now."""

    account = fields.String(required=True)
    exchange = fields.String(required=True)
    code = fields.String(required=True, metadata={"description": "Why; for programs."})


class AllocationSchema(Schema):
    """How everything is spread: paper and live apart."""

    currency = fields.String(required=True)
    modes = fields.List(fields.Nested(ModeAllocationSchema), required=True)
    missing = fields.List(fields.Nested(MissingSchema), required=True)
    as_of = fields.DateTime(required=True)


class ModeTotalSchema(Schema):
    """What the accounts of one mode are worth together."""

    mode = fields.String(required=True, validate=validate.OneOf(MODES))
    accounts = fields.Integer(required=True)
    value = DecimalString(required=True)
    complete = fields.Boolean(required=True, metadata={"description": "Whether all of it could be valued."})


class AccountWorthSchema(Schema):
    """What one account is worth."""

    account = fields.String(required=True)
    name = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    mode = fields.String(required=True, validate=validate.OneOf(MODES))
    exchange = fields.String(required=True)
    value = _told("Null when it cannot be told.")
    deposited = _told("What was paid in.")
    profit = _told("What is there beyond that.")


class UnvaluedSchema(Schema):
    """What no market tells the value of."""

    account = fields.String(required=True)
    currency = fields.String(required=True)
    amount = DecimalString(required=True)


class AggregateSchema(Schema):
    """What all active accounts are worth: paper and live apart, and what could not be valued."""

    currency = fields.String(required=True)
    totals = fields.List(fields.Nested(ModeTotalSchema), required=True)
    accounts = fields.List(fields.Nested(AccountWorthSchema), required=True)
    missing = fields.List(fields.Nested(MissingSchema), required=True)
    unvalued = fields.List(fields.Nested(UnvaluedSchema), required=True)
    as_of = fields.DateTime(required=True)
