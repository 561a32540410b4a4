"""The home of the bot, as OctoBot's own classes read it."""

from __future__ import annotations

from pathlib import Path

import octobot
import octobot_commons.constants as commons
import pytest
from octobot_commons.configuration import Configuration

from utils.home import Home, profiles
from utils.home.defaults import package_file

SCHEMAS = Path(octobot.__file__).parent / "config"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.prepare()
    return made


def read(home: Home) -> Configuration:
    configuration = Configuration(
        str(home.config_file),
        str(home.profiles_folder),
        str(SCHEMAS / "config_schema.json"),
        str(SCHEMAS / "profile_schema.json"),
    )
    configuration.read()
    return configuration


def test_octobot_finds_a_new_home_valid(home: Home) -> None:
    configuration = read(home)
    configuration.validate()
    assert configuration.profile.profile_id == "default"
    assert configuration.get_metrics_enabled() is False


def test_files_are_where_octobot_looks_for_them(home: Home) -> None:
    assert home.config_file == home.root / commons.USER_FOLDER / commons.CONFIG_FILE
    assert home.profiles_folder == home.root / commons.USER_PROFILES_FOLDER
    assert profiles.TENTACLES_FILE == commons.CONFIG_TENTACLES_FILE
    assert package_file("config_schema.json") == SCHEMAS / "config_schema.json"
