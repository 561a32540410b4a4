"""What a tournament may be: its columns, or the refusal of what does not fit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from services.tournaments import prize_rules
from services.tournaments.prize_rules import PrizeRules
from services.tournaments.tournaments import Type, Visibility
from utils.errors import FieldError, Refused
from utils.wire import AccountType, Instrument, Message

LONGEST = timedelta(days=366)
MOMENTS = ("registration_ends_at", "starts_at", "ends_at")
TRADED = frozenset({"symbols", "currency", "exchange", "account_type"})
"""What decides which markets a tournament is about."""

_PLAIN = (
    *("name", "description", "rules", "type", "visibility", "exchange", "account_type", "currency"),
    *("starting_balance", "max_leverage", "prize_pool", "min_participants", "max_participants", "max_team_size"),
    *("min_account_age_days", "registration_starts_at", "starts_at", "ends_at"),
)


class NewTournament(Message, frozen=True, kw_only=True):
    """A tournament to make. Registration opens at once, unless it is a draft.

    `symbols` are the markets it is about, all that are traded in `currency` for None. A draft opens by itself at
    `registration_starts_at`, when an administrator opens it for None. Registration ends at `registration_ends_at`, with
    the start for None. Whoever wants to join a private one has to know the `join_code`.
    """

    name: str
    starts_at: datetime
    ends_at: datetime
    description: str = ""
    rules: str = ""
    type: Type = "solo"
    draft: bool = False
    visibility: Visibility = "public"
    join_code: str | None = None
    exchange: str = "demo"
    account_type: AccountType = "spot"
    currency: str = "USDT"
    starting_balance: Decimal = Decimal(10_000)
    symbols: list[str] | None = None
    max_leverage: Decimal | None = None
    prize_pool: Decimal = Decimal(0)
    prize_rules: PrizeRules = PrizeRules()
    min_participants: int = 0
    max_participants: int | None = None
    max_team_size: int | None = None
    min_account_age_days: int = 0
    registration_starts_at: datetime | None = None
    registration_ends_at: datetime | None = None


def columns(new: NewTournament) -> dict[str, Any]:
    """Return the columns that a tournament's rules fill, but its markets and its code. :raises Refused: no such rules.

    They have to fit each other; `symbols_of` and `check_future` look at the exchange and at the clock.
    """
    registration_ends_at = new.registration_ends_at or new.starts_at
    if new.ends_at <= new.starts_at or new.ends_at - new.starts_at > LONGEST:
        raise refused("ends_at", "out_of_range", f"It has to end after the start, within {LONGEST.days} days.")
    if registration_ends_at > new.starts_at:
        raise refused("registration_ends_at", "out_of_range", "Registration ends with the start at the latest.")
    if new.registration_starts_at is not None and new.registration_starts_at >= registration_ends_at:
        raise refused("registration_starts_at", "out_of_range", "Registration has to start before it ends.")
    if new.visibility == "private" and new.join_code is None:
        raise refused("join_code", "required", "Nobody could join a private tournament without a code.")
    if new.type == "solo" and new.max_team_size is not None:
        raise refused("max_team_size", "not_applicable", "There are no teams in a solo tournament.")
    if new.account_type == "spot" and new.max_leverage is not None:
        raise refused("max_leverage", "not_applicable", "Spot accounts have no leverage.")
    if new.max_participants is not None and new.max_participants < new.min_participants:
        raise refused("max_participants", "out_of_range", "This must not be below min_participants.")
    prize_rules.check(new.prize_rules, new.prize_pool)
    plain = {name: getattr(new, name) for name in _PLAIN}
    rules = prize_rules.encode(new.prize_rules)
    return {**plain, "prize_rules": rules, "registration_ends_at": registration_ends_at}


def check_future(new: NewTournament, changed: Iterable[str], now: datetime) -> None:
    """Refuse moments that were chosen and are over already."""
    for name in MOMENTS:
        moment = getattr(new, name)
        if name in changed and moment is not None and moment <= now:
            raise refused(name, "in_the_past", "Choose a moment to come.")


def symbols_of(new: NewTournament, instruments: Sequence[Instrument]) -> str:
    """Return the column of a tournament's markets: whatever is bought there can be sold for its currency.

    :raises Refused: the exchange has none, or one that is named is not among them.
    """
    traded = {market.symbol for market in instruments if _is_traded(market, new.account_type, new.currency)}
    what = f"{new.account_type} market of {new.exchange} in {new.currency}"
    if not traded:
        raise refused("currency", "unknown_currency", f"There is no {what}.")
    unknown = [symbol for symbol in new.symbols or () if symbol not in traded]
    if unknown:
        raise refused("symbols", "unknown_symbol", f"There is no {what} called {', '.join(unknown)}.")
    return msgspec.json.encode(sorted(set(new.symbols or traded))).decode()


def hashed(code: str | None) -> str | None:
    """Return what is kept of a join code."""
    return None if code is None else hashlib.sha256(code.encode()).hexdigest()


def rules_of(row: Any) -> NewTournament:
    """Return the rules that a row holds; a hash stands for the join code, which nobody knows."""
    plain = {name: getattr(row, name) for name in _PLAIN}
    follows = row.registration_ends_at == row.starts_at
    return NewTournament(
        **plain,
        draft=row.status == "draft",
        join_code=row.join_code_hash,
        symbols=msgspec.json.decode(row.symbols, type=list[str]),
        prize_rules=prize_rules.decode(row.prize_rules),
        registration_ends_at=None if follows else row.registration_ends_at,
    )


def refused(field: str, code: str, message: str) -> Refused:
    """Return the refusal of one field."""
    return Refused(f"{field}: {message}", errors=(FieldError(field=field, code=code, message=message),))


def _is_traded(market: Instrument, account_type: AccountType, currency: str) -> bool:
    if account_type == "spot":
        return market.type == "spot" and market.quote == currency
    return market.type == "swap" and bool(market.linear) and market.settle == currency
