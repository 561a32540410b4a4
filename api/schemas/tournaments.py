"""Bodies and queries of tournaments."""

from __future__ import annotations

from typing import Any, get_args

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from api.arguments import OptionalBody
from api.schemas.accounts import MOST, TYPES, AccountName, Currency, Funds
from api.schemas.envelope import PageQuery
from api.schemas.fields import Coded, DecimalString
from api.schemas.market import Moment, Symbol, Word
from api.schemas.strategies import EXCHANGE
from api.schemas.trades import ACCOUNT
from services.tournaments.moves import STATUSES
from services.tournaments.prize_rules import MOST_PLACES, PrizeRules
from services.tournaments.rules import NewTournament
from services.tournaments.tournaments import Type, Visibility

MOST_SYMBOLS = 500
MOST_PARTICIPANTS = 1_000_000
SHARES_BY = ("percent", "amount")
TEAM_SPLITS = ("equal", "gain")
_STATUS = validate.OneOf(STATUSES)


def _number(most: int, least: int = 1, **options: Any) -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(min=least, max=most), **options)


def _code() -> fields.String:
    return fields.String(
        allow_none=True,
        load_default=None,
        validate=validate.Length(min=1, max=128),
        metadata={"description": "The code of a private tournament."},
    )


class PrizeRulesSchema(Schema):
    """How the pool is divided among the first places, and the prize of a team among its members."""

    by = Word(*SHARES_BY, metadata={"description": "Percent of the pool when absent."})
    shares = fields.List(
        DecimalString(positive=True, required=True),
        validate=validate.Length(min=1, max=MOST_PLACES),
        metadata={
            "description": "Of the first, second … place; they sum to 100, or to the pool. 50, 30, 20 if absent."
        },
    )
    team_split = Word(*TEAM_SPLITS, metadata={"description": "Equal parts when absent, or by what each gained."})
    min_trades = _number(1_000, 0, metadata={"description": "Who made fewer trades has no place; 1 when absent."})

    @post_load
    def rules(self, values: dict[str, Any], **_: Any) -> PrizeRules:
        """Return the rules."""
        return PrizeRules(**values)


class TournamentRulesSchema(Schema):
    """What may be said of a tournament."""

    name = AccountName()
    description = fields.String(validate=validate.Length(max=2_000))
    rules = fields.String(
        validate=validate.Length(max=20_000), metadata={"description": "A text that participants should read."}
    )
    type = Word(*get_args(Type), metadata={"description": "Everybody for themselves (`solo`, the default), or teams."})
    visibility = Word(*get_args(Visibility), metadata={"description": "`private` is seen by who is in it alone."})
    join_code = fields.String(
        validate=validate.Length(min=8, max=128),
        metadata={"description": "Whoever wants to join a private tournament sends it; it is never shown."},
    )
    exchange = fields.String(validate=EXCHANGE, metadata={"description": "`demo` when absent."})
    account_type = Word(*TYPES, metadata={"description": "`spot` when absent."})
    currency = Currency(metadata={"description": "Of balances and prizes; USDT when absent."})
    starting_balance = Funds(metadata={"description": "10000 when absent."})
    symbols = fields.List(
        Symbol(required=True),
        allow_none=True,
        validate=validate.Length(min=1, max=MOST_SYMBOLS),
        metadata={"description": "The markets that may be traded; all that are traded in `currency` when absent."},
    )
    max_leverage = DecimalString(
        positive=True,
        allow_none=True,
        validate=validate.Range(min=1, max=1_000),
        metadata={"description": "The highest leverage of a futures account; what the market allows when null."},
    )
    prize_pool = DecimalString(
        validate=validate.Range(min=0, max=MOST), metadata={"description": "In `currency`; 0 when absent: no prizes."}
    )
    prize_rules = fields.Nested(PrizeRulesSchema)
    min_participants = _number(
        MOST_PARTICIPANTS, 0, metadata={"description": "With fewer at the start it is cancelled; 0 when absent."}
    )
    max_participants = _number(MOST_PARTICIPANTS, allow_none=True)
    max_team_size = _number(MOST_PARTICIPANTS, allow_none=True)
    min_account_age_days = _number(
        3_650, 0, metadata={"description": "How long ago whoever joins must have signed up; 0 when absent."}
    )
    registration_starts_at = Moment(
        allow_none=True, metadata={"description": "When a draft opens by itself; null: when an administrator opens it."}
    )
    registration_ends_at = Moment(allow_none=True, metadata={"description": "At the start when absent."})
    starts_at = Moment()
    ends_at = Moment()


class NewTournamentSchema(TournamentRulesSchema):
    """A tournament to make. Registration opens at once, unless it is a draft."""

    name = AccountName(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    draft = fields.Boolean(metadata={"description": "Whether administrators alone see it, until it is opened."})

    @post_load
    def tournament(self, values: dict[str, Any], **_: Any) -> NewTournament:
        """Return the tournament to make."""
        return NewTournament(**values)


class TournamentChangesSchema(TournamentRulesSchema):
    """What to change of a tournament; what is absent stays."""

    @validates_schema
    def check_any(self, values: dict[str, Any], **_: Any) -> None:
        """Refuse a change of nothing."""
        if not values:
            raise ValidationError(Coded("required", "Send what to change."))


class TournamentSchema(Schema):
    """A tournament."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True)
    rules = fields.String(required=True)
    type = fields.String(required=True, validate=validate.OneOf(get_args(Type)))
    status = fields.String(
        required=True,
        validate=_STATUS,
        metadata={"description": "`closing`: it is over, and accounts are being closed, all at the same prices."},
    )
    status_reason = fields.String(required=True, allow_none=True, metadata={"description": "Why it was cancelled."})
    visibility = fields.String(required=True, validate=validate.OneOf(get_args(Visibility)))
    exchange = fields.String(required=True)
    account_type = fields.String(required=True, validate=validate.OneOf(TYPES))
    currency = fields.String(required=True)
    starting_balance = DecimalString(required=True)
    symbols = fields.List(fields.String(), required=True)
    max_leverage = DecimalString(required=True, allow_none=True)
    prize_pool = DecimalString(required=True)
    prize_rules = fields.Nested(
        Schema.from_dict(
            {
                "by": fields.String(required=True, validate=validate.OneOf(SHARES_BY)),
                "shares": fields.List(DecimalString(), required=True),
                "team_split": fields.String(required=True, validate=validate.OneOf(TEAM_SPLITS)),
                "min_trades": fields.Integer(required=True),
            },
            name="TournamentPrizeRulesSchema",
        ),
        required=True,
    )
    min_participants = fields.Integer(required=True)
    max_participants = fields.Integer(required=True, allow_none=True)
    max_team_size = fields.Integer(required=True, allow_none=True)
    min_account_age_days = fields.Integer(required=True)
    participants = fields.Integer(required=True, metadata={"description": "How many take part."})
    registration_starts_at = fields.DateTime(required=True, allow_none=True)
    registration_ends_at = fields.DateTime(required=True)
    starts_at = fields.DateTime(required=True)
    ends_at = fields.DateTime(required=True)
    finished_at = fields.DateTime(required=True, allow_none=True)
    account = fields.String(
        required=True, allow_none=True, metadata={"description": "The caller's account in it; null: not in it."}
    )
    team = fields.String(required=True, allow_none=True, metadata={"description": "The caller's team."})
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class TournamentQuery(PageQuery):
    """Which tournaments are wanted."""

    status = Word(*STATUSES, load_default=None, metadata={"description": "All when absent."})
    joined = fields.Boolean(load_default=False, metadata={"description": "Only those the caller takes part in."})


class CancellationSchema(OptionalBody):
    """Why a tournament is cancelled."""

    reason = fields.String(load_default=None, allow_none=True, validate=validate.Length(min=1, max=200))


class JoinSchema(OptionalBody):
    """How to take part."""

    code = _code()
    team = fields.String(
        load_default=None,
        allow_none=True,
        validate=ACCOUNT,
        metadata={"description": "The team to be in, where there are teams."},
    )


class JoinTeamSchema(OptionalBody):
    """How to take part in a team."""

    code = _code()


class EntrySchema(Schema):
    """That the caller takes part, with an account of its own."""

    tournament = fields.String(required=True)
    account = fields.String(
        required=True, metadata={"description": "Send it as `account` with orders; it trades from start to end."}
    )
    team = fields.String(required=True, allow_none=True)


class LeftSchema(Schema):
    """That the caller does not take part any more."""

    tournament = fields.String(required=True)
    account = fields.String(required=True)


class NewTeamSchema(Schema):
    """A team to make, and to be the first in."""

    name = AccountName(required=True)
    code = _code()


class TeamSchema(Schema):
    """A team."""

    id = fields.String(required=True)
    tournament = fields.String(required=True)
    name = fields.String(required=True)
    members = fields.Integer(required=True)
    is_mine = fields.Boolean(required=True, metadata={"description": "Whether the caller is in it."})
    created_at = fields.DateTime(required=True)
