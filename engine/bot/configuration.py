"""The bot's configuration: read from its home, and repaired in the way OctoBot's own start does it."""

from __future__ import annotations

import logging
from typing import Any

import jsonschema
import octobot.constants
import octobot_trading.api as trading_api
from octobot.configuration_manager import config_health_check, migrate_from_previous_config
from octobot_commons.configuration import Configuration
from octobot_commons.constants import CONFIG_CRYPTO_CURRENCIES
from octobot_commons.errors import ConfigError, NoProfileError

from engine.bot.endings import Unusable
from utils.home import Home

_log = logging.getLogger("bot")


def configuration_of(home: Home, *, may_trade_live: bool, is_paused: bool) -> Configuration:
    """Return the configuration with the selected profile, valid in OctoBot's eyes; the home is the working directory.

    :raises Unusable: they cannot be run.
    """
    try:
        configuration = _valid(home)
    except jsonschema.ValidationError as error:
        raise Unusable(f"The configuration is not valid: {_said(error)}.") from error
    except NoProfileError as error:
        raise Unusable("There is no profile.") from error
    except (ConfigError, OSError, ValueError, KeyError) as error:
        raise Unusable(f"The configuration cannot be read ({type(error).__name__}).") from error
    if trading_api.is_trader_enabled_in_config(configuration.config) and not may_trade_live:
        raise Unusable("The profile trades with real money, which LIVE_TRADING_ENABLED=false does not allow.")
    # keys that somebody wrote in the clear are encrypted, or it could not read them; one trader of two is switched off
    config_health_check(configuration, in_backtesting=False)
    configuration.config["trading"]["paused"] = is_paused
    return configuration


def _valid(home: Home) -> Configuration:
    configuration = _read(home)
    try:
        configuration.validate()
    except jsonschema.ValidationError:
        # an OctoBot of the time before profiles has left it
        if CONFIG_CRYPTO_CURRENCIES not in home.config() or not migrate_from_previous_config(configuration):
            raise
        _log.warning("the configuration, of an OctoBot from before profiles, was brought into the form of now")
        configuration = _read(home)
        configuration.validate()
    return configuration


def _read(home: Home) -> Configuration:
    configuration = Configuration(
        str(home.config_file),
        str(home.profiles_folder),
        octobot.constants.CONFIG_FILE_SCHEMA,
        octobot.constants.PROFILE_FILE_SCHEMA,
    )
    configuration.read()
    return configuration


def _said(error: Any) -> str:
    """Return what is wrong; a validator's own words would quote what is there, which may be a secret."""
    where = ".".join(str(step) for step in error.absolute_path) or "it"
    if error.validator == "required":
        return f"{where} lacks {', '.join(name for name in error.validator_value if name not in error.instance)}"
    return f"{where} breaks the rule {error.validator!r}"
