"""Profiles of the bot over HTTP."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from models import Database
from services.bot_config import profiles
from tests.factories import audit_rows
from tests.home_builder import add_profile, install_tentacles, put
from tests.integration.bot_config.caller import Caller
from tests.problems import assert_problem
from utils.home import Home

PROFILES = "/api/config/profiles"


def folders(home: Home) -> set[str]:
    return {each.name for each in (home.root / "user").iterdir()} | {
        each.name for each in home.profiles_folder.iterdir()
    }


def test_profiles_are_listed_with_what_they_trade(call: Caller, home: Home) -> None:
    install_tentacles(home)
    live = add_profile(home, "live", trader={"enabled": True}, exchanges={"kraken": {"enabled": True}})
    active = {"Trading": {"DripTradingMode": True, "DipTradingMode": False, "SomeExchange": True}}
    put(live.tentacles_file, {"tentacle_activation": active})
    default, other = call("GET", PROFILES)
    assert (default["id"], default["is_selected"], default["trades_live"]) == ("default", True, False)
    assert other == {
        "id": "live",
        "name": "Live",
        "description": "A simulated trader on the demo exchange.",
        "is_selected": False,
        "is_read_only": False,
        "trades_live": True,
        "exchanges": ["kraken"],
        "trading_modes": ["DripTradingMode"],
    }


def test_a_profile_is_selected_and_the_history_says_what_that_changed(
    call: Caller, home: Home, database: Database
) -> None:
    add_profile(home, "bold", trading={"reference-market": "USDT", "risk": 1})
    applied = call("POST", f"{PROFILES}/bold/select")
    assert home.config()["profile"] == "bold"
    assert audit_rows(database)[-1][0] == "config.profile_selected"
    assert applied["config"]["trading"]["risk"] == 1
    assert {each["path"] for each in applied["change"]["changes"]} == {"/config/profile", "/config/trading/risk"}
    assert call("POST", f"{PROFILES}/bold/select")["change"] is None


def test_a_profile_whose_settings_are_wrong_is_refused_whole_with_the_reasons(call: Caller, home: Home) -> None:
    install_tentacles(home)
    other = add_profile(home, "other")
    active = {"Trading": {"DipTradingMode": True, "DripTradingMode": False}}
    put(other.tentacles_file, {"tentacle_activation": active})
    put(other.settings_folder / "DipTradingMode.json", {"fall_percent": 91, "pairs": "BTC/USDT"})
    problem = assert_problem(call.raw("POST", f"{PROFILES}/other/select"), 422, "validation_failed")
    faults = {"settings.DipTradingMode.fall_percent", "settings.DipTradingMode.pairs"}
    assert {each["field"] for each in problem["errors"]} == faults
    assert home.profile().id == "default"
    assert call("GET", "/api/config/history") == []

    # what does not run may be as it likes
    put(other.tentacles_file, {"tentacle_activation": {"Trading": {"DipTradingMode": False}}})
    assert call("POST", f"{PROFILES}/other/select")["config"]["profile"] == "other"


def test_a_profile_that_trades_live_is_not_selected_where_that_is_off(call: Caller, home: Home) -> None:
    simulator = {**home.profile().config["trader-simulator"], "enabled": False}
    add_profile(home, "live", **{"trader": {"enabled": True}, "trader-simulator": simulator})
    assert_problem(call.raw("POST", f"{PROFILES}/live/select"), 403, "live_trading_disabled")
    assert home.config()["profile"] == "default"


def test_an_invalid_profile_is_not_selected(call: Caller, home: Home) -> None:
    add_profile(home, "broken", trading={"risk": "much"})
    assert_problem(call.raw("POST", f"{PROFILES}/broken/select"), 422, "validation_failed")
    assert home.config()["profile"] == "default"


def test_a_profile_is_duplicated_with_all_its_files(call: Caller, home: Home, database: Database) -> None:
    source = add_profile(home, "source")
    put(source.file, {**source.document, "profile": {**source.about, "read_only": True, "origin_url": "https://x"}})
    put(source.settings_folder / "DipTradingMode.json", {"fall_percent": 9})
    copy = call("POST", PROFILES, {"source": "source", "name": "Mine / ../ ünd more"})
    assert (copy["name"], copy["is_read_only"], copy["is_selected"]) == ("Mine / ../ ünd more", False, False)
    made = next(each for each in home.profiles() if each.id == copy["id"])
    assert made.folder.parent == home.profiles_folder
    assert made.about["origin_url"] is None
    assert made.config == source.config
    assert json.loads((made.settings_folder / "DipTradingMode.json").read_text()) == {"fall_percent": 9}
    assert audit_rows(database)[-1][0] == "config.profile_added"
    call("POST", f"{PROFILES}/{copy['id']}/select")
    assert home.profile().folder == made.folder


def test_a_repeated_key_makes_one_duplicate(call: Caller, home: Home) -> None:
    body, key = {"source": "default", "name": "Copy"}, {"Idempotency-Key": "one"}
    first, again = (call("POST", PROFILES, body, **key) for _ in range(2))
    assert first == again
    assert len(home.profiles()) == 2
    other = call.raw("POST", PROFILES, {**body, "name": "Other"}, **key)
    assert_problem(other, 422, "idempotency_key_reused")
    assert len(home.profiles()) == 2


def test_a_duplicate_that_fails_leaves_nothing(
    call: Caller, home: Home, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rows = folders(home), audit_rows(database)

    def fail(_path: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", fail)
    answer = call.raw("POST", PROFILES, {"source": "default", "name": "Copy"})
    assert_problem(answer, 503, "home_unwritable")
    assert (folders(home), audit_rows(database)) == (before, rows)


def test_there_is_an_end_to_profiles(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "MOST", 1)
    answer = call.raw("POST", PROFILES, {"source": "default", "name": "Copy"})
    assert_problem(answer, 409, "too_many_profiles")


def test_a_profile_is_deleted_unless_it_is_needed(call: Caller, home: Home, database: Database) -> None:
    add_profile(home, "old")
    kept = add_profile(home, "kept")
    put(kept.file, {**kept.document, "profile": {**kept.about, "read_only": True}})
    assert call("DELETE", f"{PROFILES}/old")["id"] == "old"
    assert [each.id for each in home.profiles()] == ["default", "kept"]
    assert folders(home) == {"config.json", "profiles", "default", "kept"}
    assert_problem(call.raw("DELETE", f"{PROFILES}/default"), 409, "profile_selected")
    assert_problem(call.raw("DELETE", f"{PROFILES}/kept"), 409, "profile_read_only")
    assert [each.id for each in home.profiles()] == ["default", "kept"]
    assert audit_rows(database)[-1][0] == "config.profile_deleted"


def test_unknown_profiles(call: Caller, home: Home) -> None:
    shutil.rmtree(home.tentacles_folder)
    for method, path in (("POST", f"{PROFILES}/no/select"), ("DELETE", f"{PROFILES}/no")):
        assert_problem(call.raw(method, path), 404, "profile_not_found")
    answer = call.raw("POST", PROFILES, {"source": "../profiles/default", "name": "Copy"})
    assert_problem(answer, 404, "profile_not_found")
