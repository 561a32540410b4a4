"""What the bot runs with, as one document."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.bot_config.secrets import REDACTED
from services.bot_config.state import differences, plain
from utils.errors import Refused


def test_differences_are_pointers_with_both_values() -> None:
    before = {"config": {"a/b": 1, "gone": {"x": [1]}, "same": {"y": True}}}
    after = {"config": {"a/b": 2, "new~": None, "same": {"y": True}}}
    assert differences(before, after) == [
        {"op": "replace", "path": "/config/a~1b", "before": 1, "after": 2},
        {"op": "remove", "path": "/config/gone", "before": {"x": [1]}, "after": None},
        {"op": "add", "path": "/config/new~0", "before": None, "after": None},
    ]


def test_true_is_not_one() -> None:
    assert [each["path"] for each in differences({"a": 1}, {"a": True})] == ["/a"]
    assert differences({"a": 1.0}, {"a": 1.0}) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"exchanges": {"x": {"api-key": "old-canary"}}}, {"exchanges": {"x": {"api-key": "new-canary"}}}),
        ({"exchanges": {}}, {"exchanges": {"x": {"api-key": "canary"}}}),
        ({"services": {"token": "canary"}}, {"services": {}}),
        ({"credentials": {"user": "canary"}}, {"credentials": {"user": "canary-2", "more": "canary"}}),
        ({}, {"api-secret": "canary"}),
        ({"url": "http://a:canary@x"}, {"url": "http://b:canary@y"}),
    ],
)
def test_secrets_are_not_in_differences(before: dict[str, Any], after: dict[str, Any]) -> None:
    found = differences(before, after)
    assert found
    assert "canary" not in str(found)
    assert REDACTED in str(found)


def test_currencies_are_shown_whatever_they_are_called() -> None:
    before: dict[str, Any] = {"crypto-currencies": {}}
    after = {"crypto-currencies": {"Basic Attention Token": {"pairs": ["BAT/USDT"]}}}
    assert differences(before, after)[0]["after"] == {"pairs": ["BAT/USDT"]}


def test_exact_numbers_become_those_of_json() -> None:
    assert plain({"a": [Decimal("0.50"), 3, True, None, "x"]}) == {"a": [0.5, 3, True, None, "x"]}


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, Decimal("1e400"), Decimal("-1e17")])
def test_numbers_that_json_does_not_hold_are_refused(number: Any) -> None:
    with pytest.raises(Refused) as refused:
        plain({"a": [number]})
    assert [(each.field, each.code) for each in refused.value.errors] == [("a.0", "out_of_range")]
