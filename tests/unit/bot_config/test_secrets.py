"""Secrets: found by their names, left alone by their placeholders, encrypted as OctoBot does it."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st

from services.bot_config.merge_patch import merged
from services.bot_config.secrets import (
    OCTOBOT_KEY,
    REDACTED,
    redact,
    restored,
    sealed,
    without_placeholders,
)
from utils.errors import Refused

CONFIG: dict[str, Any] = {
    "exchanges": {"binance": {"api-key": "k", "api-secret": "s", "api-password": "", "enabled": True}},
    "services": {"telegram": {"token": "t", "chat-id": "7"}, "token": "loose", "hook": ["https://u:p@host/x"]},
    "crypto-currencies": {"Basic Attention Token": {"enabled": True, "pairs": ["BAT/USDT"]}},
    "trader-simulator": {"starting-portfolio": {"TOKEN": 5, "USDT": 10}},
    "credentials": {"user": "u", "keys": ["a", "b"]},
}


def test_secrets_are_found_and_names_that_somebody_chose_are_none() -> None:
    assert redact(CONFIG) == {
        "exchanges": {"binance": {"api-key": REDACTED, "api-secret": REDACTED, "api-password": "", "enabled": True}},
        "services": {"telegram": {"token": REDACTED, "chat-id": "7"}, "token": REDACTED, "hook": [REDACTED]},
        "crypto-currencies": {"Basic Attention Token": {"enabled": True, "pairs": ["BAT/USDT"]}},
        "trader-simulator": {"starting-portfolio": {"TOKEN": 5, "USDT": 10}},
        "credentials": {"user": REDACTED, "keys": REDACTED},
    }


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "consumer_key",
        "openai-secret-key",
        "wallet_seed",
        "mnemonic",
        "Authorization-Token",
        "passwd",
        "privateKey",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert redact({name: "canary"}) == {name: REDACTED}


@pytest.mark.parametrize("name", ["monkey", "keyboard", "pairs", "chat-id", "use_keys"])
def test_names_of_none(name: str) -> None:
    assert redact({name: "shown"}) == {name: "shown"}


def test_what_is_shown_can_be_sent_back_as_it_is() -> None:
    assert merged(CONFIG, without_placeholders(redact(CONFIG), CONFIG)) == CONFIG


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"exchanges": {"kucoin": {"api-key": REDACTED}}}, "exchanges.kucoin.api-key"),
        ({"exchanges": {"binance": {"api-password": REDACTED}}}, "exchanges.binance.api-password"),
        ({"exchanges": {"binance": {"enabled": REDACTED}}}, "exchanges.binance.enabled"),
        ({"exchanges": REDACTED}, "exchanges"),
        ({"services": {"hook": [REDACTED, REDACTED]}}, "services.hook"),
        ({"services": {"hook": [{"deep": [REDACTED]}]}}, "services.hook"),
    ],
)
def test_a_placeholder_is_refused_where_there_is_no_secret(patch: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        without_placeholders(patch, CONFIG)
    assert refused.value.code == "redacted_value"
    assert [each.field for each in refused.value.errors] == [field]


def test_a_placeholder_that_was_once_written_is_no_secret() -> None:
    written = {"exchanges": {"binance": {"api-key": REDACTED}}}
    with pytest.raises(Refused):
        without_placeholders({"exchanges": {"binance": {"api-key": REDACTED}}}, written)


def test_secrets_come_back_to_their_places_or_are_named() -> None:
    missing: list[str] = []
    assert restored(redact(CONFIG), CONFIG, missing) == CONFIG
    assert missing == []
    without = merged(CONFIG, {"exchanges": {"binance": {"api-key": None}}, "credentials": None})
    back = restored(redact(CONFIG), without, missing)
    assert missing == ["exchanges.binance.api-key", "credentials.user", "credentials.keys"]
    assert "api-key" not in back["exchanges"]["binance"]
    assert back["exchanges"]["binance"]["api-secret"] == "s"
    assert REDACTED not in str(back)


def test_exchange_keys_are_encrypted_once_and_placeholders_never() -> None:
    config = {"exchanges": {"x": {"api-key": "plain", "api-secret": "your-api-secret-here", "api-password": ""}}}
    once = sealed(config)["exchanges"]["x"]
    assert Fernet(OCTOBOT_KEY).decrypt(once["api-key"]) == b"plain"
    assert (once["api-secret"], once["api-password"]) == ("your-api-secret-here", "your-api-password-here")
    assert sealed({"exchanges": {"x": once}})["exchanges"]["x"] == once


def test_a_key_that_is_no_text_is_refused_by_name() -> None:
    with pytest.raises(Refused) as refused:
        sealed({"exchanges": {"x": {"api-key": 5}}})
    assert refused.value.errors[0].field == "exchanges.x.api-key"


SECRET_NAMES = st.sampled_from(["api-key", "token", "password", "exchanges", "services", "plain", "credentials"])
CANARY = st.just("canary")
TREES = st.recursive(
    st.integers() | st.booleans() | CANARY,
    lambda inner: st.dictionaries(SECRET_NAMES, inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["api-key", "token", "password", "x-secret"]), TREES, max_size=3))
def test_nothing_below_a_secret_is_shown(tree: dict[str, Any]) -> None:
    assert "canary" not in str(redact(tree))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(SECRET_NAMES, TREES, max_size=4))
def test_whatever_is_shown_can_be_sent_back_and_restored(tree: dict[str, Any]) -> None:
    missing: list[str] = []
    shown = redact(tree)
    assert merged(tree, without_placeholders(shown, tree)) == tree
    assert restored(shown, tree, missing) == tree
    assert not missing
