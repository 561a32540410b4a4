"""JSON merge patches, by RFC 7396."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.bot_config.merge_patch import merged

# The appendix of the RFC: original, patch, result.
TABLE: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
NAMES = st.sampled_from(["a", "b", "c"])
LEAVES = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["x", "y"])
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner), max_leaves=8)
FULL = st.recursive(
    LEAVES.filter(lambda leaf: leaf is not None),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner),
    max_leaves=8,
)


def patch_from(old: Any, new: Any) -> Any:
    """Return a patch that makes `new` of `old`, which holds no null in its objects."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    changed = {name: patch_from(old[name], new[name]) for name in new if name in old and old[name] != new[name]}
    added = {name: new[name] for name in new if name not in old}
    return {**changed, **added, **{name: None for name in old if name not in new}}


@pytest.mark.parametrize(("original", "patch", "result"), TABLE)
def test_the_table_of_the_rfc(original: Any, patch: Any, result: Any) -> None:
    assert merged(original, patch) == result


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES)
def test_the_same_patch_twice_is_the_patch_once(original: Any, patch: Any) -> None:
    once = merged(original, patch)
    assert merged(once, patch) == once


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(NAMES, FULL), st.dictionaries(NAMES, FULL))
def test_what_has_no_nulls_can_be_made_of_anything(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert merged(old, patch_from(old, new)) == new


@settings(max_examples=100, deadline=None)
@given(VALUES, VALUES)
def test_the_original_and_the_patch_stay_as_they_are(original: Any, patch: Any) -> None:
    before = repr((original, patch))
    merged(original, patch)
    assert repr((original, patch)) == before
