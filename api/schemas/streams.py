"""Queries of streams."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, Schema, fields, post_load, validate
from msgspec.structs import replace

from api.schemas.fields import Count
from api.schemas.market import Symbol, Symbols, TickerQuery, Timeframe
from api.schemas.trades import ACCOUNT
from utils import timeframes
from utils.follow import FollowAccounts, FollowBacktest, FollowCandles, FollowPrices, FollowRanking

_ID = validate.Range(max=2**63 - 1)


class TicketQuery(Schema):
    """A ticket, of a browser that cannot send a header."""

    ticket = fields.String(
        validate=validate.Length(max=128), metadata={"description": "Instead of a token; see stream-ticket."}
    )


class PricesQuery(TickerQuery, TicketQuery):
    """Which prices are streamed, and after which event."""

    symbols = Symbols(load_default=None, metadata={"description": "Separated by commas; all when absent."})
    since_id = Count(validate=_ID)

    @post_load
    def wish(self, values: dict[str, Any], **_: Any) -> FollowPrices:
        """Return what is to be followed."""
        return FollowPrices(**_without_ticket(values))


class CandlesQuery(TickerQuery, TicketQuery):
    """Which candle is streamed, and from which opening on."""

    symbol = Symbol(required=True, metadata={"example": "BTC/USDT"})
    timeframe = Timeframe(
        load_default="1h",
        metadata={"description": f"{', '.join(timeframes.NAMES)}; 5minute, 1hour, 1day, 60 and the like too."},
    )
    since_id = Count(validate=_ID, metadata={"description": "An opening in epoch milliseconds, inclusive."})

    @post_load
    def wish(self, values: dict[str, Any], **_: Any) -> FollowCandles:
        """Return what is to be followed."""
        return FollowCandles(**_without_ticket(values))


class AccountsQuery(TicketQuery):
    """Whose events are streamed, and after which one."""

    account = fields.String(load_default=None, validate=ACCOUNT, metadata={"description": "All accounts when absent."})
    since_id = Count(validate=_ID)

    @post_load
    def wish(self, values: dict[str, Any], **_: Any) -> FollowAccounts:
        """Return what is to be followed."""
        return FollowAccounts(**_without_ticket(values))


class ProgressQuery(TicketQuery):
    """After which event a backtest's progress is streamed."""

    since_id = Count(validate=_ID)


class RankingQuery(TicketQuery):
    """Which ranking is streamed, and which one the client has."""

    tournament = fields.String(required=True, validate=ACCOUNT, metadata={"example": "01a1f8c8-ff81-7a10"})
    since_id = Count(validate=_ID)

    @post_load
    def wish(self, values: dict[str, Any], **_: Any) -> FollowRanking:
        """Return what is to be followed."""
        return FollowRanking(**_without_ticket(values))


class ResumeHeaders(Schema):
    """The header with which a browser resumes."""

    class Meta:
        """Leave the other headers alone."""

        unknown = EXCLUDE

    last_event_id = Count(data_key="Last-Event-ID", validate=_ID)


def resumed[Wished: (FollowPrices, FollowCandles, FollowAccounts, FollowBacktest, FollowRanking)](
    wish: Wished, headers: dict[str, int]
) -> Wished:
    """Return `wish` from after the event that a browser names, which is newer than the one its URL names."""
    return replace(wish, since_id=headers.get("last_event_id", wish.since_id))


def _without_ticket(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "ticket"}
