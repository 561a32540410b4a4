"""JSON as the API writes it (decimals as strings, no exponent; times as RFC 3339 with `Z`) and reads it, exactly."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec
import orjson

from utils.errors import FieldError, Malformed, Refused
from utils.money import plain

MAX_DEPTH = 32
MAX_DIGITS = 18
"""Of what is read as an `int`: no writer, and no database, takes one of more than 64 bits."""


def dumps(value: Any) -> bytes:
    """Encode `value`: builtins, messages (`msgspec.Struct`), Decimals and aware datetimes.

    :raises TypeError: when `value` holds anything else.
    """
    return orjson.dumps(value, default=_default, option=orjson.OPT_UTC_Z)


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, msgspec.Struct):
        names = value.__struct_encode_fields__
        if names is value.__struct_fields__:
            return msgspec.structs.asdict(value)
        return dict(zip(names, msgspec.structs.astuple(value), strict=True))  # `from` is no name in Python
    raise TypeError(f"{type(value).__name__} has no JSON form")


def loads(body: bytes) -> Any:
    """Decode JSON from a client; numbers that are not whole and small become Decimals, digit by digit.

    :raises Malformed: when `body` is not JSON in UTF-8, or nested deeper than `MAX_DEPTH`.
    :raises Refused: when a string holds what no database can keep: NUL or half of a surrogate pair.
    """
    try:
        value = _decoder.decode(body.decode("utf-8"))
    except (ValueError, InvalidOperation, RecursionError):
        raise Malformed("The body is not valid JSON.", code="malformed_json") from None
    # bodies with few brackets and no escapes, nearly all of them, cannot be at fault
    if b"\\u" in body or body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _check(value)
    return value


def _not_json(literal: str) -> NoReturn:
    raise ValueError(literal)


def _whole(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= MAX_DIGITS else Decimal(digits)


_decoder = json.JSONDecoder(parse_float=Decimal, parse_int=_whole, parse_constant=_not_json)


def _check(root: Any) -> None:
    pending = [(root, "", 1)]
    while pending:
        value, path, depth = pending.pop()
        if isinstance(value, str):
            _check_text(value, path)
        elif isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                raise Malformed(f"The body is nested deeper than {MAX_DEPTH} levels.", code="malformed_json")
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            for key, child in pairs:
                if isinstance(key, str):
                    _check_text(key, path)
                pending.append((child, f"{path}.{key}" if path else str(key), depth + 1))


def _check_text(text: str, path: str) -> None:
    if "\x00" not in text and (text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)):
        return
    message = "NUL and lone surrogates are not text."
    raise Refused(message, errors=(FieldError(field=path, code="invalid_text", message=message),))
