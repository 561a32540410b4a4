"""What a client asks of the streamer, and how the web server hands over the client's connection."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec


class Follow(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of everything a client may follow."""


class FollowPrices(Follow, frozen=True, kw_only=True):
    """Server-sent events with the prices of `symbols`; None means every market."""

    exchange: str
    symbols: list[str] | None = None
    since_id: int | None = None


class FollowCandles(Follow, frozen=True, kw_only=True):
    """Server-sent events with the running candle of one market; ids are openings, in epoch milliseconds."""

    exchange: str
    symbol: str
    timeframe: str
    since_id: int | None = None


class FollowAccounts(Follow, frozen=True, kw_only=True):
    """Server-sent events with what happens to the caller's accounts, or to one of them."""

    account: str | None = None
    since_id: int | None = None


class FollowBacktest(Follow, frozen=True, kw_only=True):
    """Server-sent events with how far one of the caller's backtests has come, until it is over."""

    run: str
    since_id: int | None = None


class FollowStrategies(Follow, frozen=True, kw_only=True):
    """What happens to the caller's strategies, or to one of them: states, orders, trades, balances and log."""

    strategy: str | None = None
    since_id: int | None = None


class FollowLogs(Follow, frozen=True, kw_only=True):
    """What all processes say from now on, at least as grave as `level`, of `logger` and below it, `search` in it."""

    level: str | None = None
    logger: str | None = None
    search: str | None = None


class FollowRanking(Follow, frozen=True, kw_only=True):
    """Server-sent events with the first ranks of a tournament; ids are moments, in epoch milliseconds."""

    tournament: str
    since_id: int | None = None


Wish = FollowPrices | FollowCandles | FollowAccounts | FollowBacktest | FollowStrategies | FollowLogs | FollowRanking
"""What may be followed, over server-sent events and over a WebSocket."""


SocketKind = Literal["market", "account", "strategies", "logs"]
SOCKETS: dict[str, SocketKind] = {f"/ws/{kind}": kind for kind in get_args(SocketKind)}
"""The kind of the WebSocket at each path."""


class OpenSocket(Follow, frozen=True, kw_only=True):
    """A WebSocket: `handshake` is the request as it came, `early` what followed it already."""

    kind: SocketKind
    handshake: bytes
    early: bytes = b""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Whose connection it is, and until when.

    `expires_at` is when an access token ends (Unix seconds); a `ticket` is good as long as its stream is open.
    """

    user_id: str
    session_id: str
    expires_at: float | None = None
    ticket: str | None = None


class Handover(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Comes with one descriptor: the connection of a client who may follow what they ask for.

    `origin` is the page's, when it may read the answer; `path` and `request_id` are told when the streamer refuses,
    in the way that the header `accept` wants it.
    """

    wish: Wish | OpenSocket
    caller: Caller
    request_id: str
    path: str
    origin: str | None = None
    accept: str | None = None


class GetStreamerStatus(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Ask the streamer how it is."""


class StreamerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the streamer counts; counters begin at 0 with each start.

    `clients` by kind (`sse`, `websocket`), `drops` by reason, `topics` with at least one subscriber by channel,
    `lag_seconds` how late its event loop last ran, `feeds` whether each subscription with the engine holds.
    """

    pid: int
    uptime_seconds: float
    lag_seconds: float
    clients: dict[str, int]
    topics: dict[str, int]
    deliveries: int
    coalesced: int
    drops: dict[str, int]
    refusals: dict[str, int]
    feeds: dict[str, bool]


Message = Handover | GetStreamerStatus
MAX_MESSAGE = 64 * 1024
_encoder = msgspec.msgpack.Encoder()
_message_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_status_decoder = msgspec.msgpack.Decoder(StreamerStatus)


def encode(message: Message | StreamerStatus) -> bytes:
    """Return `message` as one packet."""
    return _encoder.encode(message)


def decode(packet: bytes) -> Message:
    """Read a packet that came to the streamer. :raises msgspec.DecodeError: when it is none."""
    return _message_decoder.decode(packet)


def decode_status(packet: bytes) -> StreamerStatus:
    """Read the streamer's answer. :raises msgspec.DecodeError: when it is none."""
    return _status_decoder.decode(packet)
