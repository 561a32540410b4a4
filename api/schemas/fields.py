"""Fields that marshmallow does not have."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, overload

from marshmallow import ValidationError, fields, validate

MAX_DIGITS = 30
MAX_EXPONENT = 18


_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are printed as nothing."""


def is_seen(text: str) -> bool:
    """Tell whether all of `text` is seen, and as what it is: nothing in it hides, is empty or turns others round."""
    return text.isprintable() and _BLANK.isdisjoint(text)


class _Name(validate.Regexp):
    """A regular expression for text that is seen, and seen as what it is."""

    @overload
    def __call__(self, value: str) -> str: ...

    @overload
    def __call__(self, value: bytes) -> bytes: ...

    def __call__(self, value: str | bytes) -> str | bytes:
        """Return `value`. :raises ValidationError: it does not match, or is not seen as what it is."""
        if isinstance(value, str) and not is_seen(value):
            raise ValidationError(self._format_error(value))
        return super().__call__(value)


NAME = _Name(r"\S([^\x00-\x1f\x7f]{0,62}\S)?\Z", error="Use 1 to 64 printable characters, no spaces at the ends.")
"""What users call their things."""

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE]([+-]?[0-9]{1,4}))?")


class Coded(str):
    """A message of a schema that carries its stable code."""

    __slots__ = ("code",)
    code: str

    def __new__(cls, code: str, message: str) -> Coded:
        """Attach `code` to `message`."""
        made = super().__new__(cls, message)
        made.code = code
        return made


def invalid(code: str, message: str, field: str = "_schema") -> ValidationError:
    """Return the error that a field or a schema raises; `code` reaches the client."""
    return ValidationError({field: [Coded(code, message)]} if field != "_schema" else Coded(code, message))


class Count(fields.Integer):
    """A whole number of at least zero in a query string, in ASCII digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> int:
        if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > MAX_DIGITS:
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **options)


class DecimalString(fields.Field[Decimal]):
    """An exact number: a decimal string, out and in; JSON numbers are accepted too.

    NaN, infinities, underscores, other scripts' digits, exponents beyond ±18 and more than 30 significant digits are
    not.

    :param positive: refuse zero and what is below.
    """

    def __init__(self, *, positive: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.positive = positive

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise invalid("invalid_number", 'Send a decimal string, such as "0.5".')
        text = str(value)
        shape = _NUMBER.fullmatch(text) if len(text) <= 4 * MAX_DIGITS else None
        if shape is None:
            raise invalid("invalid_number", "This is not a decimal number.")
        if abs(int(shape[1] or 0)) > MAX_EXPONENT:
            raise invalid("out_of_range", f"The exponent is beyond ±{MAX_EXPONENT}.")
        number = Decimal(text)
        if len(number.normalize().as_tuple().digits) > MAX_DIGITS or abs(number.adjusted()) > 2 * MAX_EXPONENT:
            raise invalid("too_precise", f"More than {MAX_DIGITS} digits.")
        if self.positive and number <= 0:
            raise invalid("not_positive", "This must be above zero.")
        return number
