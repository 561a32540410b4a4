"""The value of all accounts of a user: paper and live side by side, never summed together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from services.accounts.accounts import Account, Accounts
from services.principals import Principal
from utils import clock
from utils.money import HUNDRED, ZERO, apportioned
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Equity, Message, Mode

MODES: tuple[Mode, ...] = ("paper", "live")
CENT = Decimal("0.01")


class Share(Message, frozen=True, kw_only=True):
    """A part of what is held: `amount` of an asset alone; `value` and `percent` are None when no market tells."""

    name: str
    amount: Decimal | None
    value: Decimal | None
    percent: Decimal | None


class ModeAllocation(Message, frozen=True, kw_only=True):
    """How what is held in one mode is spread; the percentages of each list sum to 100."""

    mode: Mode
    value: Decimal
    by_asset: list[Share]
    by_account: list[Share]
    by_exchange: list[Share]


class Missing(Message, frozen=True, kw_only=True):
    """An account that cannot be valued now, and the code of why."""

    account: str
    exchange: str
    code: str


class Unvalued(Message, frozen=True, kw_only=True):
    """What no market tells the value of."""

    account: str
    currency: str
    amount: Decimal


class Allocation(Message, frozen=True, kw_only=True):
    """How everything is spread, by mode."""

    currency: str
    modes: list[ModeAllocation]
    missing: list[Missing]
    as_of: datetime


class ModeTotal(Message, frozen=True, kw_only=True):
    """What the accounts of one mode are worth together; `complete` is false when some of it could not be valued."""

    mode: Mode
    accounts: int
    value: Decimal
    complete: bool


class AccountWorth(Message, frozen=True, kw_only=True):
    """What one account is worth; None when it cannot be told."""

    account: str
    name: str
    kind: str
    mode: Mode
    exchange: str
    value: Decimal | None
    deposited: Decimal | None
    profit: Decimal | None


class Aggregate(Message, frozen=True, kw_only=True):
    """What everything is worth in one currency, by mode and by account."""

    currency: str
    totals: list[ModeTotal]
    accounts: list[AccountWorth]
    missing: list[Missing]
    unvalued: list[Unvalued]
    as_of: datetime


class Wealth:
    """Look at all active accounts of a user at once."""

    def __init__(self, bridge: OctoBotBridge, accounts: Accounts) -> None:
        self._bridge = bridge
        self._accounts = accounts

    def allocation(self, principal: Principal, currency: str | None = None) -> Allocation:
        """Return how what the caller holds is spread, valued in `currency` (the main account's for None)."""
        _, currency, found = self._look(principal, currency)
        return Allocation(
            currency=currency,
            modes=[
                _allocated(mode, [each for each in found if each.mode == mode])
                for mode in MODES
                if any(each.mode == mode for each in found)
            ],
            missing=_missing(found),
            as_of=clock.now(),
        )

    def aggregate(self, principal: Principal, currency: str | None = None) -> Aggregate:
        """Return what the caller's accounts are worth in `currency` (the main account's for None)."""
        accounts, currency, found = self._look(principal, currency)
        return Aggregate(
            currency=currency,
            totals=[
                _total(mode, [each for each in found if each.mode == mode])
                for mode in MODES
                if any(each.mode == mode for each in found)
            ],
            accounts=[_worth(accounts[each.account], each) for each in found],
            missing=_missing(found),
            unvalued=[
                Unvalued(account=each.account, currency=stake.currency, amount=stake.amount)
                for each in found
                if each.missing is None
                for stake in each.stakes
                if stake.value is None
            ],
            as_of=clock.now(),
        )

    def _look(self, principal: Principal, currency: str | None) -> tuple[dict[str, Account], str, list[Equity]]:
        accounts = {account.id: account for account in self._accounts.active(principal)}
        currency = currency or self._accounts.owned(principal).reference_currency
        return accounts, currency, self._bridge.equity(list(accounts), currency)


def percentages(values: list[Decimal]) -> list[Decimal]:
    """Return what percent of their sum each value is, to two places, summing to 100 exactly."""
    return apportioned(HUNDRED, values, CENT)


def _allocated(mode: Mode, found: list[Equity]) -> ModeAllocation:
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    assets: dict[str, Decimal | None] = {}
    owners: dict[str, Decimal] = defaultdict(Decimal)
    exchanges: dict[str, Decimal] = defaultdict(Decimal)
    for equity in found:
        for stake in equity.stakes:
            amounts[stake.currency] += stake.amount
            assets.setdefault(stake.currency, None)
            if stake.value is not None:
                assets[stake.currency] = (assets[stake.currency] or ZERO) + stake.value
        if equity.missing is None:
            held = sum((stake.value for stake in equity.stakes if stake.value is not None), ZERO)
            owners[equity.account] += held
            exchanges[equity.exchange] += held
    return ModeAllocation(
        mode=mode,
        value=sum(owners.values(), ZERO),
        by_asset=_shares(assets.items(), amounts),
        by_account=_shares(owners.items()),
        by_exchange=_shares(exchanges.items()),
    )


def _shares(values: Iterable[tuple[str, Decimal | None]], amounts: dict[str, Decimal] | None = None) -> list[Share]:
    """Return shares, the largest first; what has no value comes last and has no percentage."""
    known = sorted(((name, value) for name, value in values if value is not None), key=lambda one: (-one[1], one[0]))
    percents = percentages([value for _, value in known])
    shares = [
        Share(name=name, amount=amounts[name] if amounts else None, value=value, percent=percent)
        for (name, value), percent in zip(known, percents, strict=True)
    ]
    unknown = sorted((amounts or {}).keys() - {name for name, _ in known})
    return shares + [Share(name=name, amount=(amounts or {})[name], value=None, percent=None) for name in unknown]


def _total(mode: Mode, found: list[Equity]) -> ModeTotal:
    return ModeTotal(
        mode=mode,
        accounts=len(found),
        value=sum((each.value for each in found if each.value is not None), ZERO),
        complete=all(each.missing is None and all(s.value is not None for s in each.stakes) for each in found),
    )


def _worth(account: Account, equity: Equity) -> AccountWorth:
    known = equity.value is not None and equity.deposited is not None
    return AccountWorth(
        account=account.id,
        name=account.name,
        kind=account.kind,
        mode=account.mode,
        exchange=account.exchange,
        value=equity.value,
        deposited=equity.deposited,
        profit=(equity.value or ZERO) - (equity.deposited or ZERO) if known else None,
    )


def _missing(found: list[Equity]) -> list[Missing]:
    return [
        Missing(account=each.account, exchange=each.exchange, code=each.missing)
        for each in found
        if each.missing is not None
    ]
