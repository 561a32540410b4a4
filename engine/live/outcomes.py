"""The outcome of a request to an exchange: certain, or unknown. What is not proven counts as unknown."""

from __future__ import annotations

import asyncio
import re
import socket
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, get_args

import aiohttp
import ccxt
import msgspec

from engine.exchanges.attempt import Attempt
from engine.exchanges.client import KeysReplaced
from engine.live.difference import Held
from utils import clock
from utils.money import ZERO, told
from utils.wire import Fee

ExchangeStatus = Literal["open", "closed", "canceled", "expired", "rejected"]


class ExchangeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the exchange tells it; `filled` is None where it does not say."""

    id: str
    client_id: str | None
    status: ExchangeStatus
    filled: Decimal | None


class ExchangeFill(msgspec.Struct, frozen=True, kw_only=True):
    """One fill as the exchange tells it, amounts in base and quote units; `gain` is what it realised of a position."""

    id: str
    price: Decimal
    amount: Decimal
    cost: Decimal
    fee: Fee | None
    at: datetime
    gain: Decimal | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange has not done it and will not.

    `again`: the same request may succeed later (it was not sent, or came too fast), after `retry_after` seconds.
    """

    code: str
    again: bool = False
    retry_after: float | None = None


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody can tell yet whether the exchange has done it."""

    reason: str
    retry_after: float | None = None


FAILURES = (
    *(ccxt.BaseError, aiohttp.ClientError, TimeoutError, OSError),
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
)
"""What a call of ccxt may raise: its own errors, and whatever an answer does to its parsers that nobody foresaw."""

_PROOF = frozenset({401, 403, 404, 405, 418, 429, 451})
"""HTTP statuses that tell by themselves that nothing was done, whatever the body says."""
_CODES: tuple[tuple[type[Exception], str], ...] = (
    (ccxt.InsufficientFunds, "insufficient_funds"),
    (ccxt.AuthenticationError, "invalid_api_key"),
    (ccxt.AccountSuspended, "account_suspended"),
    (ccxt.BadSymbol, "unknown_symbol"),
    (ccxt.MarketClosed, "market_closed"),
    (ccxt.InvalidOrder, "exchange_rejected"),
)


_OWN_CODE = re.compile(r'"code"\s*:\s*(-\d+)')
_OF_FUTURES = {
    "-2019": "insufficient_funds",
    "-2022": "reduce_only_without_position",
    "-2027": "leverage_too_high",
    "-2028": "leverage_too_high",
    "-4028": "invalid_leverage",
    "-4047": "margin_mode_not_isolated",
    "-4048": "margin_mode_not_isolated",
    "-4061": "hedge_mode_not_supported",
    "-4161": "leverage_not_reducible",
}
"""What Binance's futures say by numbers that it has for nothing else."""


def of_failure(error: BaseException, attempt: Attempt) -> Refusal | Unknown:
    """Return what `error` proves about a request that changes something."""
    if not attempt.sent:
        return _unsent(error)
    status = attempt.status
    if status is None or status >= 500 or not (attempt.readable or status in _PROOF):
        return Unknown(reason=type(error).__name__, retry_after=attempt.retry_after)
    if isinstance(error, ccxt.DDoSProtection) or status in {418, 429} or attempt.retry_after is not None:
        return Refusal(code="exchange_rate_limited", again=True, retry_after=attempt.retry_after or 1.0)
    if isinstance(error, ccxt.InvalidNonce):
        return Refusal(code="exchange_clock_skew", again=True)
    # of a duplicate something is there
    if "duplicate" not in str(error).lower() and (isinstance(error, ccxt.ExchangeError) or status in _PROOF):
        return Refusal(code=code_of(error))
    return Unknown(reason=type(error).__name__, retry_after=attempt.retry_after)


def code_of(error: BaseException) -> str:
    """Return the stable code of a refusal."""
    said = _OWN_CODE.search(str(error))
    if said is not None and said[1] in _OF_FUTURES:
        return _OF_FUTURES[said[1]]
    return next((code for kind, code in _CODES if isinstance(error, kind)), "exchange_rejected")


def is_outage(error: BaseException, attempt: Attempt) -> bool:
    """Tell whether a failure says that the exchange does not work, or that the way to it does not."""
    if attempt.status is None or attempt.status >= 500 or not attempt.readable:
        return True
    return not isinstance(error, ccxt.ExchangeError | ccxt.InvalidNonce)


def order_of(raw: dict[str, Any]) -> ExchangeOrder:
    """Return ccxt's order as ours. :raises ValueError: when it has no id or no status that makes sense."""
    status: Any = raw.get("status") or "open"
    if status == "canceling":
        status = "open"
    if not raw.get("id") or status not in get_args(ExchangeStatus):
        raise ValueError(f"an order without id or status: {status!r}")
    return ExchangeOrder(
        id=str(raw["id"]), client_id=raw.get("clientOrderId") or None, status=status, filled=raw.get("filled")
    )


def fill_of(raw: Any) -> ExchangeFill:
    """Return ccxt's trade as our fill. :raises ValueError: when it has no id. :raises TypeError: without numbers."""
    if not raw.get("id"):
        raise ValueError("a fill without an id")
    fee = raw.get("fee") or {}
    paid = Fee(currency=fee["currency"], cost=told(fee["cost"])) if fee.get("cost") and fee.get("currency") else None
    price, amount = told(raw["price"]), told(raw["amount"])
    cost = price * amount if raw.get("cost") is None else told(raw["cost"])
    if price <= 0 or amount <= 0 or cost < 0:
        raise ValueError("a fill of nothing")
    return ExchangeFill(
        id=str(raw["id"]),
        price=price,
        amount=amount,
        cost=cost,
        fee=paid,
        at=clock.from_ms(raw["timestamp"]) if raw.get("timestamp") else clock.now(),
        gain=told(gain) if (gain := (raw.get("info") or {}).get("realizedPnl")) else None,
    )


def held_of(raw: Any) -> Held:
    """Return (total, locked) by currency of ccxt's balance. :raises LookupError: when it makes no sense."""
    found = {}
    for currency, total in raw["total"].items():
        free = raw["free"].get(currency)
        total = Decimal(total if total is not None else ZERO)  # noqa: PLW2901
        found[currency] = (total, total - Decimal(free) if free is not None else ZERO)
    return found


def _unsent(error: BaseException) -> Refusal:
    if isinstance(error, KeysReplaced):
        return Refusal(code="credential_not_identified", again=True)
    away = (ccxt.NetworkError, aiohttp.ClientError, TimeoutError, asyncio.CancelledError, socket.gaierror)
    if isinstance(error, away):
        return Refusal(code="exchange_unavailable", again=True)
    return Refusal(code=code_of(error))
