"""Messages of WebSocket clients, and the answers to them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from services.market import DEFAULT_EXCHANGE
from services.streams import account_wish, candle_wish, log_wish, price_wish, strategy_wish
from streaming import events
from utils import json
from utils.errors import FieldError, Malformed, Refused, TradingError
from utils.follow import (
    FollowAccounts,
    FollowCandles,
    FollowLogs,
    FollowPrices,
    FollowRanking,
    FollowStrategies,
    SocketKind,
    Wish,
)

MAX_ACTION = 16 * 1024
CHANNELS: dict[SocketKind, tuple[str, ...]] = {
    "market": ("prices", "candles"),
    "account": ("account",),
    "strategies": ("strategies",),
    "logs": ("logs",),
}
"""The channels of each kind of socket."""

Reference = str | int | None
MAX_INTEGER = 2**63 - 1
"""What JSON writers take; readers take any."""

Id = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
Own = Annotated[str, msgspec.Meta(max_length=64)] | Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]


class Action(msgspec.Struct, frozen=True, kw_only=True, tag_field="action", forbid_unknown_fields=True):
    """What a client may say; `id` is its own, and comes back with the answer."""

    channel: str
    id: Own | None = None
    exchange: str = DEFAULT_EXCHANGE
    symbols: list[str] | None = None
    symbol: str | None = None
    timeframe: str | None = None
    account: str | None = None
    strategy: str | None = None
    level: str | None = None
    logger: str | None = None
    search: str | None = None
    since_id: Id | None = None


class Subscribe(Action, frozen=True, kw_only=True, tag="subscribe"):
    """Follow something."""


class Unsubscribe(Action, frozen=True, kw_only=True, tag="unsubscribe"):
    """Follow it no more; without a market, everything in the channel."""


class _Named(msgspec.Struct):
    id: Own | None = None


_decoder: msgspec.json.Decoder[Subscribe | Unsubscribe] = msgspec.json.Decoder(Subscribe | Unsubscribe)
_named = msgspec.json.Decoder(_Named)


def read(body: bytes) -> Subscribe | Unsubscribe:
    """Read one action. :raises Malformed: no JSON. :raises Refused: not an action; `errors` name the field."""
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        name = path.strip("`.") or "action"
        is_unknown = name == "action" and "Invalid value" in reason
        fault = _fault(name, "unknown_action" if is_unknown else "invalid", reason)
        raise Refused("This is no action.", code="unknown_action" if is_unknown else None, errors=(fault,)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Malformed("The message is not valid JSON.", code="malformed_json") from None


def reference(body: bytes) -> Reference:
    """Return the client's own id of an action that could not be read, as far as it can be told."""
    try:
        return _named.decode(body).id
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def wishes(action: Action, kind: SocketKind) -> list[Wish]:
    """Return what an action names, one wish per thing that can be followed by itself, each once.

    :raises Refused: when the socket has no such channel, or something is missing or malformed.
    """
    check_channel(action.channel, kind)
    if action.channel == "account":
        return [account_wish(action.account, action.since_id)]
    if action.channel == "strategies":
        return [strategy_wish(action.strategy, action.since_id)]
    if action.channel == "logs":
        return [log_wish(action.level, action.logger, action.search, action.since_id)]
    if action.channel == "prices":
        symbols = action.symbols if action.symbol is None else [action.symbol, *(action.symbols or [])]
        return [price_wish(action.exchange, symbols, action.since_id)]
    symbols = [*([action.symbol] if action.symbol else []), *(action.symbols or [])]
    if not symbols:
        detail = "Name the market."
        raise Refused(detail, errors=(_fault("symbol", "required", detail),))
    timeframe = action.timeframe or "1h"
    named = (candle_wish(action.exchange, symbol, timeframe, action.since_id) for symbol in symbols)
    return list(dict.fromkeys(named))  # each costs the engine a question


def check_channel(channel: str, kind: SocketKind) -> None:
    """Refuse a channel that this kind of socket does not have. :raises Refused: `unknown_channel`."""
    if channel not in CHANNELS[kind]:
        detail = f"This socket has {' and '.join(CHANNELS[kind])}."
        raise Refused(detail, code="unknown_channel", errors=(_fault("channel", "unknown_channel", detail),))


def content(channel: str, wishes: list[Wish]) -> dict[str, Any]:
    """Return what the answer to a subscription says of it."""
    said: dict[str, Any] = {}
    match wishes[0]:
        case FollowPrices() as prices:
            said = {"exchange": prices.exchange, "symbols": prices.symbols}
        case FollowCandles() as candles:
            symbols = [wish.symbol for wish in wishes if isinstance(wish, FollowCandles)]
            said = {"exchange": candles.exchange, "timeframe": candles.timeframe, "symbols": symbols}
        case FollowAccounts() as accounts:
            said = {"account": accounts.account}
        case FollowStrategies() as strategies:
            said = {"strategy": strategies.strategy}
        case FollowLogs() as logs:
            said = {"level": logs.level, "logger": logs.logger, "search": logs.search}
        case FollowRanking() as ranking:
            said = {"tournament": ranking.tournament}
    return {"channel": channel, **said}


def answer(type: str, reference: Reference, content: dict[str, Any]) -> bytes:
    """Return the frame that answers an action."""
    return events.message(type, reference, json.dumps(content))


def fault(reference: Reference, error: TradingError) -> bytes:
    """Return the frame that tells why an action was not carried out."""
    content: dict[str, Any] = {"error_code": error.code, "detail": error.detail, "errors": error.errors}
    if error.retry_after is not None:
        content["retry_after"] = error.retry_after
    return answer("error", reference, content)


def _fault(field: str, code: str, message: str) -> FieldError:
    return FieldError(field=field, code=code, message=message)
