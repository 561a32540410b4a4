"""Settings of strategies and backtests: what is in a body's bounds, and still far beyond what any class takes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from marshmallow import Schema, ValidationError

from api.schemas.backtests import NewBacktestSchema
from api.schemas.strategies import NewStrategySchema, StrategyChangesSchema

SCHEMAS = [
    (NewStrategySchema(), {"strategy_class": "dca", "portfolio_name": "BTC/USDT"}),
    (StrategyChangesSchema(), {}),
    (
        NewBacktestSchema(),
        {
            "strategy_class": "dca",
            "symbols": ["BTC/USDT"],
            "timeframe": "1h",
            "starting_portfolio": {"USDT": "1"},
        },
    ),
]


@pytest.mark.parametrize(("schema", "fields"), SCHEMAS, ids=lambda value: type(value).__name__)
def test_settings_are_bounded(schema: Schema, fields: dict[str, Any]) -> None:
    long: list[dict[str, Any]] = [
        {"a": "x" * 201},
        {"a": ["x" * 200] * 21},
        {"a": {"x" * 5000: 1}},
        {"a": Decimal("1." + "1" * 5000)},
        {f"a{number}": ["x" * 4000] for number in range(5)},
    ]
    for settings in long:
        with pytest.raises(ValidationError) as caught:
            schema.load({**fields, "settings": settings})
        assert {message.code for message in _leaves(caught.value.messages)} == {"too_long"}, settings.keys()
    for settings in (
        {"a": "x" * 200, "b": None, "c": 2**70},
        {"a": {f"X{number}/USDT": "0.05" for number in range(20)}},
    ):
        schema.load({**fields, "settings": settings})


def _leaves(messages: Any) -> list[Any]:
    if isinstance(messages, dict):
        messages = list(messages.values())
    if isinstance(messages, list):
        return [leaf for each in messages for leaf in _leaves(each)]
    return [messages]
