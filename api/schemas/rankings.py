"""Rankings of tournaments, and the all-time leaderboard."""

from __future__ import annotations

from marshmallow import Schema, fields

from api.schemas.fields import DecimalString
from api.schemas.trades import ACCOUNT


def _percent(meaning: str, *, allow_none: bool = False) -> DecimalString:
    return DecimalString(required=True, allow_none=allow_none, metadata={"description": f"In percent: {meaning}."})


class PlacedSchema(Schema):
    """What a row tells of whoever it is about."""

    rank = fields.Integer(required=True)
    return_percent = _percent("the gain over the starting balance")
    value = DecimalString(required=True)
    trades = fields.Integer(required=True)
    win_rate = _percent("how many of the closing trades gained; null before the first", allow_none=True)
    volume = DecimalString(required=True)
    max_drawdown = _percent("the deepest fall below an earlier peak")


class RankedUserSchema(PlacedSchema):
    """A participant; `user` is the name they go by."""

    participant = fields.String(required=True)
    user = fields.String(required=True)
    team = fields.String(required=True, allow_none=True, metadata={"description": "The name of their team."})


class RankedTeamSchema(PlacedSchema):
    """A team: the money of its members in one."""

    team = fields.String(required=True, metadata={"description": "Its id."})
    name = fields.String(required=True)
    members = fields.Integer(required=True)


class OwnRankSchema(Schema):
    """How the caller stands among `participants`."""

    account = fields.String(required=True)
    participants = fields.Integer(required=True)
    ranking = fields.Nested(RankedUserSchema, required=True)
    team = fields.Nested(RankedTeamSchema, required=True, allow_none=True)
    as_of = fields.DateTime(required=True)


class HistoryQuery(Schema):
    """Whose history is wanted."""

    participant = fields.String(
        load_default=None, validate=ACCOUNT, metadata={"description": "The caller when absent."}
    )


class PastRankSchema(Schema):
    """The rank of a moment."""

    at = fields.DateTime(required=True)
    rank = fields.Integer(required=True)
    value = DecimalString(required=True)
    return_percent = _percent("the gain over the starting balance")


class LeaderSchema(Schema):
    """A row of the all-time leaderboard."""

    rank = fields.Integer(required=True)
    user = fields.String(required=True)
    avatar_url = fields.String(required=True, allow_none=True)
    return_percent = _percent("the product of the returns of all their tournaments")
    max_drawdown = _percent("the deepest one of them")
    tournaments = fields.Integer(required=True)
    wins = fields.Integer(required=True)
    podiums = fields.Integer(required=True)
    trades = fields.Integer(required=True)
    reached_at = fields.DateTime(required=True)
