"""Translate failures of exchanges into the domain's errors, without ever quoting what was sent."""

from __future__ import annotations

import logging

import ccxt

from engine.exchanges import attempt
from utils.errors import ExchangeUnavailable

_log = logging.getLogger(__name__)
RETRY_AFTER = 5
RATE_LIMITED_RETRY_AFTER = 60


def check_readable() -> None:
    """Refuse an answer that was no JSON: ccxt reads a web page as a list of its letters, or as an empty one.

    :raises ccxt.BadResponse: the last answer that `attempt.noting` saw in this task was not readable.
    """
    noted = attempt.current()
    if noted is not None and not noted.readable:
        raise ccxt.BadResponse


def unavailable(exchange: str, error: Exception, retry_after: float | None = None) -> ExchangeUnavailable:
    """Return the error of a question that `exchange` did not answer; nothing was done.

    :param retry_after: seconds that the exchange asked to wait, if it did.
    """
    wait = int(retry_after or 0) or RETRY_AFTER
    # its text may repeat what was sent, keys included: the kind has to do
    _log.debug("%s failed: %s", exchange, type(error).__name__)
    if isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded):
        wait = int(retry_after or 0) or RATE_LIMITED_RETRY_AFTER
        detail = f"{exchange} does not want to be asked so often."
        return ExchangeUnavailable(detail, code="exchange_rate_limited", retry_after=wait)
    if isinstance(error, ccxt.InvalidNonce):
        detail = f"{exchange} does not accept this machine's clock."
        return ExchangeUnavailable(detail, code="exchange_clock_skew", retry_after=wait)
    if isinstance(error, ccxt.NetworkError | TimeoutError):
        return ExchangeUnavailable(f"{exchange} cannot be reached.", retry_after=wait)
    detail = f"{exchange} gave an answer that makes no sense."
    return ExchangeUnavailable(detail, code="exchange_bad_answer", retry_after=wait)
