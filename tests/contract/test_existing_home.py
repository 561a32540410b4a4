"""A home that OctoBot has used before, as the bot's start and the API find it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from octobot_commons.configuration import Configuration, decrypt

from engine.bot.configuration import configuration_of
from engine.bot.endings import Unusable
from services.bot_config.secrets import redact
from services.bot_config.state import State
from tests.home_builder import CANARY, LIVED_IN, OLD, add_profile, put
from utils.home import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)  # as OctoBot's process does
    made = Home(tmp_path)
    made.prepare()
    return made


def started(home: Home, *, may_trade_live: bool = False) -> Configuration:
    return configuration_of(home, may_trade_live=may_trade_live, is_paused=False)


def lived_in(home: Home) -> None:
    put(home.config_file, {**home.config(), **LIVED_IN})


def test_it_is_used_as_it_is(home: Home) -> None:
    lived_in(home)
    config = started(home).config
    for name in LIVED_IN.keys() - {"exchanges"}:
        assert config[name] == LIVED_IN[name]
    assert home.config()["last-seen-version"] == "2.0.9"
    shown = json.dumps(redact(State.read(home).config))
    assert CANARY not in shown
    assert "6123-abc" in shown


def test_keys_that_were_written_in_the_clear_are_encrypted_and_others_stay(home: Home) -> None:
    lived_in(home)
    was: dict[str, Any] = LIVED_IN["exchanges"]["kucoin"]
    for config in (started(home).config, home.config()):
        kucoin = config["exchanges"]["kucoin"]
        assert decrypt(kucoin["api-key"]) == was["api-key"]
        assert (kucoin["api-secret"], kucoin["api-password"]) == (was["api-secret"], was["api-password"])


def test_one_from_before_profiles_is_brought_into_the_form_of_now(home: Home) -> None:
    put(home.config_file, OLD)
    config = started(home).config
    assert decrypt(config["exchanges"]["kucoin"]["api-secret"]) == f"{CANARY}-secret"
    kept = home.config()
    assert kept["notification"] == OLD["notification"]
    assert kept["services"] == OLD["services"]
    assert kept["accepted_terms"] is True
    assert not {"crypto-currencies", "tentacles-packages", "performance-analyser"} & kept.keys()


def test_one_that_is_not_valid_otherwise_stays_as_it_is_and_is_refused(home: Home) -> None:
    broken = {name: value for name, value in home.config().items() if name != "services"}
    put(home.config_file, broken)
    with pytest.raises(Unusable, match="it lacks services"):
        started(home)
    assert home.config() == broken


def test_of_two_traders_the_simulated_one_is_switched_off(home: Home) -> None:
    add_profile(home, "both", trader={"enabled": True})
    put(home.config_file, {**home.config(), "profile": "both"})
    with pytest.raises(Unusable, match="real money"):
        started(home)
    config = started(home, may_trade_live=True).config
    assert (config["trader"]["enabled"], config["trader-simulator"]["enabled"]) == (True, False)
