"""What the bot's process masks: every secret of its home by value, in its log and in its last words."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import engine.bot.__main__ as bot
from engine.bot.endings import CRASHED
from engine.bot.secrets import secrets_in, secrets_of
from services.bot_config.secrets import REDACTED, redact
from utils.home import Home

SETTINGS: dict[str, Any] = {
    "key": "canary-key",
    "passwd": "canary-passwd",
    "cookie": "canary-cookie",
    "feed": "https://me:canary%2Flogin@feeds.example/x",
    "wallet": {"mnemonic": ["canary-word"]},
    "pairs": ["BTC/USDT"],
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Make a home with secrets in its configuration, in a profile, and in the settings of tentacles."""
    home = Home(tmp_path / "octobot")
    home.prepare()
    config = {**home.config(), "services": {"mail": {"passwd": "canary-mail"}, "url": "ftp://a:canary-ftp@host"}}
    config["crypto-currencies"] = {"Basic Attention Token": {"pairs": ["BAT/USDT"]}}
    with home.locked():
        home.write({home.config_file: config, home.profile().settings_folder / "DipMode.json": SETTINGS})
    (home.profile().settings_folder / "Broken.json").write_text("{")
    module = home.tentacles_folder / "Trading" / "Mode" / "dip_mode"
    (module / "config").mkdir(parents=True)
    (module / "metadata.json").write_text(json.dumps({"tentacles": ["DripMode"]}))
    (module / "config" / "DripMode.json").write_text(json.dumps({"api_token": "canary-default"}))
    return home


def test_secrets_are_found_wherever_the_api_hides_them(home: Home) -> None:
    assert secrets_in(home) == {
        "canary-key",
        "canary-passwd",
        "canary-cookie",
        "canary%2Flogin",
        "canary/login",
        "canary-word",
        "canary-mail",
        "canary-ftp",
        "canary-default",
    }


@pytest.mark.parametrize(
    "name", ["password", "passwd", "bot_token", "mnemonic", "seed", "cookie", "key", "signing-key"]
)
def test_what_is_not_shown_is_not_logged_either(name: str) -> None:
    config = {"services": {"anything": {name: "a-value-to-hide", "host": "an.example.com"}}}
    assert redact(config) == {"services": {"anything": {name: REDACTED, "host": "an.example.com"}}}
    assert secrets_of(config) == {"a-value-to-hide"}


@pytest.fixture
def _process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Put back what a process of the bot changes of itself."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    for name, value in {"DATA_DIR": str(tmp_path), "DEMO_SEED": "7", "DEMO_BEGUN_AT": "1.5"}.items():
        monkeypatch.setenv(name, value)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_process")
def test_last_words_are_masked(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object, **__: object) -> int:
        raise RuntimeError("GET https://x.example/?apiKey=canary-a&signature=canary-b: canary-key is no key")

    monkeypatch.setattr(bot, "_run", fail)
    assert bot.main(is_paused=False) == CRASHED
    assert Path.cwd() == home.root
    said = (tmp_path / "bot.failure").read_text()
    assert said == "RuntimeError: GET https://x.example/?apiKey=***&signature=*** *** is no key"
