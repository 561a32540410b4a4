"""Tentacles of the bot over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from octobot_tentacles_manager.configuration import TentaclesSetupConfiguration
from octobot_tentacles_manager.configuration.tentacle_configuration import get_config

from models import Database
from services.bot_config.secrets import REDACTED
from tests.factories import audit_rows
from tests.home_builder import CANARY, DIP_DEFAULTS, DIP_SCHEMA, install_tentacles, put
from tests.integration.bot_config.caller import Caller
from tests.problems import assert_problem
from utils.home import Home

TENTACLES = "/api/config/tentacles"
DIP = f"{TENTACLES}/DipTradingMode"


@pytest.fixture(autouse=True)
def installed(home: Home) -> None:
    install_tentacles(home)


def activation(home: Home) -> Any:
    return json.loads(home.profile().tentacles_file.read_text())["tentacle_activation"]


def test_tentacles_are_listed_by_type_and_activity(call: Caller) -> None:
    names = [each["name"] for each in call("GET", TENTACLES)]
    assert names == ["DipTradingMode", "DripTradingMode", "OtherEvaluator", "TrendEvaluator"]
    modes = call("GET", f"{TENTACLES}?type=Trading/Mode")
    assert [each["name"] for each in modes] == names[:2]
    assert modes[0] == {
        "name": "DipTradingMode",
        "module": "dip_mode",
        "type": "Trading/Mode",
        "version": "1.0.0",
        "package": "our-own",
        "is_active": False,
        "has_own_settings": False,
    }
    assert call("GET", f"{TENTACLES}?type=Trad") == []
    call("PATCH", f"{TENTACLES}/TrendEvaluator", {"is_active": True})
    assert [each["name"] for each in call("GET", f"{TENTACLES}?is_active=true")] == ["TrendEvaluator"]


def test_a_tentacle_is_shown_with_its_settings(call: Caller) -> None:
    shown = call("GET", DIP)
    assert (shown["settings"], shown["defaults"], shown["schema"]) == (DIP_DEFAULTS, DIP_DEFAULTS, DIP_SCHEMA)
    assert shown["description"] == "Buys the dip."
    assert shown["schema_source"] == "module"
    assert call("GET", f"{TENTACLES}/TrendEvaluator")["schema"] is None


def test_one_trading_mode_is_active_at_a_time(call: Caller, home: Home) -> None:
    for name in ("TrendEvaluator", "DipTradingMode", "DripTradingMode"):
        applied = call("PATCH", f"{TENTACLES}/{name}", {"is_active": True})
    assert activation(home) == {
        "Evaluator": {"TrendEvaluator": True},
        "Trading": {"DipTradingMode": False, "DripTradingMode": True},
    }
    assert {each["path"]: each["after"] for each in applied["change"]["changes"]} == {
        "/tentacles/Trading/DipTradingMode": False,
        "/tentacles/Trading/DripTradingMode": True,
    }
    call("PATCH", f"{TENTACLES}/DripTradingMode", {"is_active": False})
    assert not any(activation(home)["Trading"].values())


def test_settings_are_merged_and_brought_back(call: Caller, home: Home, database: Database) -> None:
    path = home.profile().settings_folder / "DipTradingMode.json"
    applied = call("PATCH", DIP, {"settings": {"fall_percent": 7.5}})
    assert json.loads(path.read_text()) == {"fall_percent": 7.5, "pairs": ["BTC/USDT"]}
    assert applied["change"]["action"] == "tentacle_edited"
    assert audit_rows(database)[-1][0] == "config.tentacle_edited"
    assert call("GET", DIP)["has_own_settings"] is True
    call("PATCH", DIP, {"settings": None})
    assert not path.exists()
    assert call("GET", DIP)["settings"] == DIP_DEFAULTS
    back = call("POST", "/api/config/rollback", {"change_id": applied["change"]["id"]})
    assert json.loads(path.read_text()) == {"fall_percent": 7.5, "pairs": ["BTC/USDT"]}
    assert back["change"]["changes"][0]["path"] == "/settings/DipTradingMode"


def test_settings_against_the_schema_change_nothing(call: Caller, home: Home) -> None:
    wrong = {
        "settings.fall_percent": {"fall_percent": 91},
        "settings": {"fall_percent": None},
        "settings.pairs.0": {"pairs": [7]},
    }
    for field, settings in wrong.items():
        answer = call.raw("PATCH", DIP, {"is_active": True, "settings": settings})
        problem = assert_problem(answer, 422, "validation_failed")
        assert [each["field"] for each in problem["errors"]] == [field]
    assert_problem(call.raw("PATCH", DIP, {"settings": {"other": 1}}), 422, "validation_failed")
    assert activation(home) == {}
    assert not home.profile().settings_folder.exists()


def test_a_rollback_brings_back_no_settings_that_the_schema_refuses(call: Caller, home: Home) -> None:
    first = call("PATCH", DIP, {"settings": {"fall_percent": 7.5}})["change"]["id"]
    call("PATCH", DIP, {"settings": {"fall_percent": 4}})
    # a newer version of the tentacle wants other ones
    schema = {"properties": {"fall_percent": {"maximum": 5}}}
    put(next(home.tentacles_folder.rglob("DipTradingMode_schema.json")), schema)
    problem = assert_problem(call.raw("POST", "/api/config/rollback", {"change_id": first}), 422, "validation_failed")
    assert [each["field"] for each in problem["errors"]] == ["settings.DipTradingMode.fall_percent"]
    assert call("GET", DIP)["settings"]["fall_percent"] == 4


def test_secrets_in_settings_are_kept_and_not_shown(call: Caller, home: Home) -> None:
    call("PATCH", DIP, {"settings": {"api_token": CANARY}})
    assert call("GET", DIP)["settings"]["api_token"] == REDACTED
    call("PATCH", DIP, {"settings": {"api_token": REDACTED, "fall_percent": 4}})
    stored = json.loads((home.profile().settings_folder / "DipTradingMode.json").read_text())
    assert (stored["api_token"], stored["fall_percent"]) == (CANARY, 4)
    call("GET", "/api/config/history")
    assert not [told for told in call.texts if CANARY in told]


def test_a_schema_that_cannot_be_used_is_said_to_be(call: Caller, home: Home) -> None:
    unusable: list[dict[str, Any]] = [
        {"type": "nonsense"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "#/definitions/none"},
        {"$ref": "#"},
    ]
    for schema in unusable:
        put(home.tentacles_folder / "Trading/Mode/dip_mode/config/DipTradingMode_schema.json", schema)
        assert_problem(call.raw("PATCH", DIP, {"settings": {"fall_percent": 4}}), 409, "schema_unusable")


def test_unknown_tentacles_and_modules_that_cannot_be_read(call: Caller, home: Home) -> None:
    put(home.tentacles_folder / "Trading/Mode/broken/metadata.json", [])
    put(home.tentacles_folder / "Trading/Mode/odd/metadata.json", {"tentacles": ["../x", 5]})
    assert len(call("GET", TENTACLES)) == 4
    for method in ("GET", "PATCH"):
        answer = call.raw(method, f"{TENTACLES}/NoSuchMode", None if method == "GET" else {"is_active": True})
        assert_problem(answer, 404, "tentacle_not_found")
    assert_problem(call.raw("PATCH", DIP, {"is_active": None}), 422, "validation_failed")


def test_octobot_reads_what_the_api_wrote(call: Caller, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    call("PATCH", DIP, {"is_active": True, "settings": {"fall_percent": 5}})
    monkeypatch.chdir(home.root)
    setup = TentaclesSetupConfiguration(str(home.root), str(home.profile().tentacles_file))
    setup.read_config(str(home.tentacles_folder))
    assert setup.tentacles_activation == {"Trading": {"DipTradingMode": True}}
    assert get_config(setup, "DipTradingMode") == {"fall_percent": 5, "pairs": ["BTC/USDT"]}
