"""Bodies and queries of sweeps."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.backtests import STATES, OutcomeSchema, PlayedSchema, PlaySchema
from api.schemas.envelope import PageQuery
from api.schemas.fields import DecimalString
from api.schemas.market import Word
from api.schemas.strategies import setting_field, within
from services.backtests.sweeps import MOST_POINTS, RANKS, NewSweep

MOST_VARIED = 6
MOST_VALUES = 50
MOST_GRID_BYTES = 64 * 1024


class NewSweepSchema(PlayedSchema):
    """A backtest to play with every combination of the values of some settings."""

    grid = fields.Dict(
        keys=fields.String(validate=validate.Length(min=1, max=64)),
        values=fields.List(setting_field(), validate=validate.Length(min=1, max=MOST_VALUES)),
        required=True,
        validate=[validate.Length(min=1, max=MOST_VARIED), within(MOST_GRID_BYTES)],
        metadata={"description": f"The values of each setting that is varied; at most {MOST_POINTS} combinations."},
    )

    @post_load
    def sweep(self, values: dict[str, Any], **_: Any) -> NewSweep:
        """Return the sweep to play."""
        return NewSweep(**values)


class SweepSchema(PlaySchema):
    """A sweep."""

    done = fields.Integer(required=True, metadata={"description": "Combinations that are over."})
    count = fields.Integer(required=True, metadata={"description": "All combinations."})
    grid = fields.Dict(keys=fields.String(), values=fields.List(fields.Raw(allow_none=True)), required=True)


class SweepQuery(PageQuery):
    """Which sweeps are wanted."""

    state = Word(*STATES, load_default=None, metadata={"description": "All when absent."})


class ResultsQuery(Schema):
    """How the table is ordered."""

    rank_by = Word(
        *RANKS,
        load_default="profit_percent",
        metadata={"description": "The best first: the most, but the least of drawdown, volatility and fees."},
    )


class FiguresSchema(Schema):
    """What a combination made, as in its report."""

    starting_value = DecimalString(required=True)
    strategy = fields.Nested(OutcomeSchema, required=True)
    buy_and_hold = fields.Nested(OutcomeSchema, required=True)
    realized_pnl = DecimalString(required=True)
    fees = DecimalString(required=True)
    trades = fields.Integer(required=True)
    closed_trades = fields.Integer(required=True)
    win_rate = DecimalString(required=True, allow_none=True, metadata={"description": "In percent of closed trades."})
    ratio_interval_seconds = fields.Integer(required=True)


class SweepResultSchema(Schema):
    """A line of the table; a backtest with the same `settings` gives the same figures, and a report."""

    rank = fields.Integer(required=True, allow_none=True, metadata={"description": "Null while it has no figures."})
    number = fields.Integer(required=True, metadata={"description": "Its place in the grid."})
    varied = fields.Dict(required=True, metadata={"description": "Its values of the settings that are varied."})
    settings = fields.Dict(
        required=True, metadata={"description": "All of them; those that are varied alone when it could not begin."}
    )
    figures = fields.Nested(FiguresSchema, required=True, allow_none=True)
    error_code = fields.String(required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True, metadata={"description": "Why it could not be played."})
