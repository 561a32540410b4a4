"""Schemas that the code of tentacles tells, in a process of its own."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from config import Settings
from services import build_for_worker
from services.bot_config.schemas import Schemas
from tests.home_builder import DIP_SCHEMA, add_profile, install_tentacles, put
from tests.integration.bot_config.caller import Caller
from tests.problems import assert_problem
from utils.home import Home
from utils.home.schemas import fingerprint, keep
from utils.home.tentacles import Tentacle, installed
from worker.schedule import schedule

KNOB = "/api/config/tentacles/KnobTradingMode"
CODE = '''
import os

import octobot_commons.enums as enums
import octobot_trading.modes as modes

print("a tentacle may say what it likes")
assert "canary" not in os.environ.values(), "it may not know everything"


class KnobTradingMode(modes.AbstractTradingMode):
    """Turns a knob."""

    def init_user_inputs(self, inputs):
        self.UI.user_input("knob", enums.UserInputTypes.INT, 5, inputs, min_val=1, max_val=11, title="The knob.")
'''


def install_knob(home: Home) -> Tentacle:
    """Install a trading mode whose settings are told by its code alone, as OctoBot's installer leaves it."""
    folder = home.tentacles_folder / "Trading" / "Mode" / "knob_mode"
    described = {"version": "1.0.0", "origin_package": "own", "tentacles": ["KnobTradingMode"]}
    put(folder / "metadata.json", {**described, "tentacles-requirements": []})
    put(folder / "__init__.py", "from .knob import KnobTradingMode\n")
    put(folder / "knob.py", CODE)
    put(folder / "config" / "KnobTradingMode.json", {"knob": 5})
    put(home.tentacles_folder / "__init__.py", "import tentacles.Trading.Mode.knob_mode\n")
    return installed(home.tentacles_folder)["KnobTradingMode"]


def test_the_inputs_that_code_declares_are_a_schema(call: Caller, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    install_knob(home)
    # a home may be a whole OctoBot of another version; it is not the one that runs
    put(home.root / "octobot" / "__init__.py", "raise ImportError('another version')\n")
    for name in ("SECRET_KEY", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary")
    Schemas(home).fill()
    shown = call("GET", KNOB)
    assert shown["schema_source"] == "code"
    assert shown["schema"]["properties"] == {
        "knob": {"type": "integer", "title": "The knob.", "minimum": 1, "maximum": 11, "default": 5}
    }
    # what is known is not asked again
    monkeypatch.setattr(subprocess, "run", _nothing)
    Schemas(home).fill()
    problem = assert_problem(call.raw("PATCH", KNOB, {"settings": {"knob": 12}}), 422, "validation_failed")
    assert [each["field"] for each in problem["errors"]] == ["settings.knob"]
    call("PATCH", KNOB, {"settings": {"knob": 11}})
    assert call("GET", KNOB)["settings"] == {"knob": 11}


def test_code_that_fails_is_asked_again_when_it_is_another_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def fail(command: Any, **_: Any) -> None:
        asked.append(command)
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(subprocess, "run", fail)
    knob, asking = install_knob(home), Schemas(home)
    for _ in range(2):
        asking.fill()
        assert asking.of(knob) == (None, None)
    assert len(asked) == 1
    put(knob.folder / "knob.py", CODE + "\n# mended\n")
    asking.fill()
    assert len(asked) == 2


def test_who_comes_before_the_worker_has_asked_is_told_to_come_again_at_once(
    call: Caller, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", _nothing)
    knob = install_knob(home)
    other = add_profile(home, "other")
    put(other.tentacles_file, {"tentacle_activation": {"Trading": {"KnobTradingMode": True}}})
    put(other.settings_folder / "KnobTradingMode.json", {"knob": 12})
    wanted = (
        ("GET", KNOB, None),
        ("PATCH", KNOB, {"settings": {"knob": 12}}),
        ("POST", "/api/config/profiles/other/select", None),
    )
    for method, path, body in wanted:
        answer = call.raw(method, path, body)
        assert_problem(answer, 503, "schemas_pending")
        assert answer.headers["Retry-After"] == "5"
    # nobody has to wait for what needs no schema
    call("PATCH", KNOB, {"is_active": True})
    assert not (home.profile().settings_folder / "KnobTradingMode.json").exists()
    code = fingerprint(home)
    assert code is not None
    keep(home, code, {"KnobTradingMode": {"type": "object"}})
    assert Schemas(home).of(knob) == ({"type": "object"}, "code")
    assert call("POST", "/api/config/profiles/other/select")["config"]["profile"] == "other"


def test_the_worker_asks(home: Home, settings: Settings) -> None:
    knob = install_knob(home)
    worker = build_for_worker(settings)
    try:
        (filling,) = [each for each in schedule(worker) if each.name == "tentacle schemas"]
        filling.call()
    finally:
        worker.close()
    assert Schemas(home).of(knob)[1] == "code"


def test_nothing_is_asked_before_octobot_has_installed_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", _nothing)
    install_tentacles(home)
    tentacles = installed(home.tentacles_folder)
    assert Schemas(home).of(tentacles["DipTradingMode"]) == (DIP_SCHEMA, "module")
    assert Schemas(home).of(tentacles["DripTradingMode"]) == (None, None)


def _nothing(*_: Any, **__: Any) -> None:
    raise AssertionError("nothing is to be asked")
