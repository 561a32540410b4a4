"""Frames on the socket: four bytes of length (little endian), then MessagePack: `Call` one way, `Reply` the other."""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from utils import replays
from utils.errors import Fault
from utils.wire.base import Request
from utils.wire.events import AccountEvent
from utils.wire.market import StreamEvent
from utils.wire.requests import ANSWERS, AnyRequest

MAX_FRAME = 32 * 1024 * 1024


class Call(msgspec.Struct, frozen=True, array_like=True):
    """A request and the moment (Unix seconds) after which nobody waits for its answer."""

    deadline: float
    request: AnyRequest


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """An encoded answer, or the fault that took its place; `is_replayed` when a key had brought it before."""

    answer: msgspec.Raw
    fault: Fault | None = None
    is_replayed: bool = False


HEADER = struct.Struct("<I")
_encoder = msgspec.msgpack.Encoder()
_call_decoder = msgspec.msgpack.Decoder(Call)
_reply_decoder = msgspec.msgpack.Decoder(Reply)
_answer_decoders = {kind: msgspec.msgpack.Decoder(answer) for kind, answer in ANSWERS.items()}
_event_decoder = msgspec.msgpack.Decoder(StreamEvent)
_account_events_decoder = msgspec.msgpack.Decoder(list[AccountEvent])
_NOTHING = msgspec.Raw(_encoder.encode(None))


def frame(body: bytes) -> bytes:
    """Put the length in front of `body`."""
    return HEADER.pack(len(body)) + body


def encode_call(call: Call) -> bytes:
    """Return the frame of `call`."""
    return frame(_encoder.encode(call))


def decode_call(body: bytes) -> Call:
    """Read a call.

    :raises msgspec.DecodeError: when `body` is not one.
    """
    return _call_decoder.decode(body)


def encode_answer(answer: Any) -> bytes:
    """Return the frame of a reply to the present request that holds `answer`."""
    return frame(_encoder.encode(Reply(msgspec.Raw(_encoder.encode(answer)), None, replays.is_marked())))


def encode_fault(fault: Fault) -> bytes:
    """Return the frame of a reply to the present request that holds `fault`."""
    return frame(_encoder.encode(Reply(_NOTHING, fault, replays.is_marked())))


def decode_reply(body: bytes, kind: type[Request]) -> Any:
    """Return the answer to a request of `kind`, or raise the fault; mark the present request if it was replayed.

    :raises TradingError: the engine's error, as the class it was raised with.
    :raises msgspec.DecodeError: when `body` is not a reply to `kind`.
    """
    reply = _reply_decoder.decode(body)
    if reply.is_replayed:
        replays.mark()
    if reply.fault is not None:
        raise reply.fault.error()
    return _answer_decoders[kind].decode(reply.answer)


def encode_event(event: StreamEvent) -> bytes:
    """Return the frame of one stream event."""
    return frame(_encoder.encode(event))


def decode_event(body: bytes) -> StreamEvent:
    """Read one stream event.

    :raises msgspec.DecodeError: when `body` is not one.
    """
    return _event_decoder.decode(body)


def encode_account_events(events: list[AccountEvent]) -> bytes:
    """Return the frame of some account events."""
    return frame(_encoder.encode(events))


def decode_account_events(body: bytes) -> list[AccountEvent]:
    """Read the account events of one frame.

    :raises msgspec.DecodeError: when `body` is not such a list.
    """
    return _account_events_decoder.decode(body)
