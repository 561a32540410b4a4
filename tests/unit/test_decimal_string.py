from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from marshmallow import Schema, ValidationError

from api.schemas.fields import Coded, DecimalString
from utils import json


class Amounts(Schema):
    amount = DecimalString(required=True)
    positive = DecimalString(positive=True)


def load(literal: str, field: str = "amount") -> Any:
    """Read the JSON `literal` as it would arrive in a body."""
    return Amounts(partial=True).load(json.loads(f'{{"{field}": {literal}}}'.encode()))[field]


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ('"1"', "1"),
        ('"0.00000001"', "0.00000001"),
        ('"-2.50"', "-2.5"),
        ('"1e-18"', "1e-18"),
        ('"1E+18"', "1e18"),
        ("1", "1"),
        ("0.1", "0.1"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("123456789012345678.123456789012", "123456789012345678.123456789012"),
        ("1e-8", "1e-8"),
        ('"000.10"', "0.1"),
        ('"100000000000000000000000000000000000"', "1e35"),
    ],
)
def test_reads_exactly(literal: str, value: str) -> None:
    assert load(literal) == Decimal(value)


@pytest.mark.parametrize(
    ("literal", "code"),
    [
        ('"NaN"', "invalid_number"),
        ('"sNaN"', "invalid_number"),
        ('"Infinity"', "invalid_number"),
        ('"-inf"', "invalid_number"),
        ('"1_000"', "invalid_number"),
        ('"\\uff11\\uff12"', "invalid_number"),
        ('"\\u0663"', "invalid_number"),
        ('" 1"', "invalid_number"),
        ('"1\\n"', "invalid_number"),
        ('"+1"', "invalid_number"),
        ('"1."', "invalid_number"),
        ('".5"', "invalid_number"),
        ('"0x10"', "invalid_number"),
        ('"1,5"', "invalid_number"),
        ('""', "invalid_number"),
        ("true", "invalid_number"),
        ("[]", "invalid_number"),
        ("{}", "invalid_number"),
        ('"1e400"', "out_of_range"),
        ("1e400", "out_of_range"),
        ("1e-400", "out_of_range"),
        ('"1e19"', "out_of_range"),
        ('"1e99999999"', "invalid_number"),
        ('"0.1234567890123456789012345678901"', "too_precise"),
        ("1" * 31, "too_precise"),
        ("9" * 4000, "invalid_number"),
        ('"0.' + "0" * 40 + '1"', "too_precise"),
    ],
)
def test_refuses(literal: str, code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        load(literal)
    (message,) = caught.value.messages_dict["amount"]
    assert isinstance(message, Coded)
    assert message.code == code


@pytest.mark.parametrize("literal", ["0", '"-1"', "-0.0", '"0e5"'])
def test_positive_refuses_the_rest(literal: str) -> None:
    assert load(literal) <= 0
    with pytest.raises(ValidationError):
        load(literal, "positive")
