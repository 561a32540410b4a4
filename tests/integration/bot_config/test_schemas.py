"""Schemas that the code of tentacles tells, in a process of its own."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from services.bot_config.schemas import Schemas
from tests.home_builder import DIP_SCHEMA, install_tentacles, put
from tests.integration.bot_config.caller import Caller
from tests.problems import assert_problem
from utils.home import Home, asking, files
from utils.home.schemas import fingerprint, keep
from utils.home.tentacles import Tentacle, installed

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
    shown = call("GET", KNOB)
    assert shown["schema_source"] == "code"
    assert shown["schema"]["properties"] == {
        "knob": {"type": "integer", "title": "The knob.", "minimum": 1, "maximum": 11, "default": 5}
    }
    # what is known is not asked again
    monkeypatch.setattr(subprocess, "run", _nothing)
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
    assert [asking.of(knob) for _ in range(2)] == [(None, None)] * 2
    assert len(asked) == 1
    put(knob.folder / "knob.py", CODE + "\n# mended\n")
    asking.of(knob)
    assert len(asked) == 2


def test_who_comes_while_code_is_being_asked_is_told_to_come_again(
    call: Caller, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", _nothing)
    monkeypatch.setattr(asking, "WAIT_SECONDS", 0.0)
    knob = install_knob(home)
    with files.held(home.root / asking.LOCK, 5):
        answers = call.raw("GET", KNOB), call.raw("PATCH", KNOB, {"settings": {"knob": 12}})
        for answer in answers:
            assert_problem(answer, 503, "schemas_pending")
            assert answer.headers["Retry-After"] == "3"
        # nobody has to wait for what needs no schema
        call("PATCH", KNOB, {"is_active": True})
    assert not (home.profile().settings_folder / "KnobTradingMode.json").exists()
    code = fingerprint(home)
    assert code is not None
    keep(home, code, {"KnobTradingMode": {"type": "object"}})
    assert Schemas(home).of(knob) == ({"type": "object"}, "code")


def test_nothing_is_asked_before_octobot_has_installed_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", _nothing)
    install_tentacles(home)
    tentacles = installed(home.tentacles_folder)
    assert Schemas(home).of(tentacles["DipTradingMode"]) == (DIP_SCHEMA, "module")
    assert Schemas(home).of(tentacles["DripTradingMode"]) == (None, None)


def _nothing(*_: Any, **__: Any) -> None:
    raise AssertionError("nothing is to be asked")
