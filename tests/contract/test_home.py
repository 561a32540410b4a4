"""The home of the bot, as OctoBot's own classes read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import octobot
import octobot_commons
import octobot_commons.constants as commons
import pytest
from octobot_commons.configuration import Configuration, fields_utils
from octobot_tentacles_manager.util.tentacle_explorer import load_tentacle_with_metadata

from api.schemas.config import MEMBERS
from services.bot_config import secrets
from services.bot_config.state import effective, split
from tests.home_builder import install_tentacles, put
from utils import secret_names
from utils.home import Home, profiles
from utils.home.defaults import package_file
from utils.home.tentacles import installed

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


EXCHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"x": {"api-key": "NO KEY", "enabled": True}}, {}),
    (
        {"x": {"api-key": "NO KEY", "enabled": False, "sandboxed": True}},
        {"x": {"enabled": True, "exchange-type": "future"}},
    ),
    ({"x": {"enabled": False}}, {"x": {"enabled": True}, "y": {"enabled": True}}),
    ({"x": {"enabled": True}, "y": {"enabled": False}}, {"y": {"enabled": True}, "z": {"enabled": False}}),
]


@pytest.mark.parametrize(("shared", "own"), EXCHANGES)
@pytest.mark.parametrize("distribution", [{}, {"distribution": "default"}])
def test_the_configuration_is_the_one_that_octobot_makes(
    home: Home, shared: dict[str, Any], own: dict[str, Any], distribution: dict[str, str]
) -> None:
    put(home.config_file, {**home.config(), "exchanges": shared, "trading": {"stale": True}})
    profile = home.profile()
    config = {name: value for name, value in profile.config.items() if name != "distribution"}
    put(profile.file, {**profile.document, "config": {**config, **distribution, "exchanges": own}})
    assert effective(home.config(), home.profile()) == read(home).config


@pytest.mark.parametrize(("shared", "own"), EXCHANGES)
def test_what_is_written_is_what_octobot_would_write(
    home: Home, tmp_path: Path, shared: dict[str, Any], own: dict[str, Any]
) -> None:
    put(home.config_file, {**home.config(), "exchanges": shared})
    put(home.profile().file, {**home.profile().document, "config": {**home.profile().config, "exchanges": own}})
    config = {**effective(home.config(), home.profile()), "trading": {"reference-market": "BTC", "risk": 1}}
    ours, profile = split(config, home.profile())

    configuration = read(home)
    configuration.config = config
    configuration.save()

    assert home.config() == ours
    assert home.profile().config == profile["config"]
    assert effective(home.config(), home.profile()) == config


def test_secrets_are_kept_as_octobot_keeps_them() -> None:
    assert secrets.OCTOBOT_KEY == octobot_commons.OCTOBOT_KEY
    assert list(secret_names.ENCRYPTED) == commons.CONFIG_EXCHANGE_ENCRYPTED_VALUES
    assert set(commons.DEFAULT_CONFIG_VALUES) | {""} == secret_names.EMPTY
    key = secrets.sealed({"exchanges": {"x": {"api-key": "plain"}}})["exchanges"]["x"]["api-key"]
    assert fields_utils.decrypt(key) == "plain"


def test_every_member_that_octobots_schemas_know_can_be_patched() -> None:
    schema, profile = (json.loads(package_file(f"{name}_schema.json").read_text()) for name in ("config", "profile"))
    known = {*schema["properties"], *profile["properties"]["config"]["properties"]}
    assert known == set(MEMBERS)


def test_tentacles_are_those_that_octobot_finds(home: Home) -> None:
    install_tentacles(home)
    theirs = {
        name: (each.name, each.tentacle_type.to_path(), each.tentacle_root_type, each.version, each.origin_package)
        for each in load_tentacle_with_metadata(str(home.tentacles_folder))
        if each.version is not None
        for name in each.tentacle_class_names
    }
    ours = {
        name: (each.module, each.type, each.root_type, each.version, each.package)
        for name, each in installed(home.tentacles_folder).items()
    }
    assert ours == theirs
    assert set(ours) == {"DipTradingMode", "DripTradingMode", "TrendEvaluator", "OtherEvaluator"}
