"""`python -m engine.tentacles HOME`: install what was only unpacked, and write all schemas into the home.

Tentacles are imported and asked; nothing of them is started. One that fails is left out.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.tentacles.schema import schema_of
from utils.home import Home
from utils.home.schemas import fingerprint, keep


def main(root: Path) -> None:
    """Read the home at `root` as OctoBot does, from within."""
    home = Home(root)
    home.prepare()
    os.chdir(root)
    # last, since a home may be a whole OctoBot of another version
    sys.path.append(str(root))
    logging.disable(logging.CRITICAL)  # nobody reads what they say, and OctoBot logs configurations
    # OctoBot takes its paths from the working directory while it is imported
    from engine.bot.tentacles import install

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # also for tentacles that look for one while they are imported
    loop.run_until_complete(install(home))
    code = fingerprint(home)
    if code is not None:
        keep(home, code, dict(_schemas(home)))


def _schemas(home: Home) -> Iterator[tuple[str, dict[str, Any]]]:
    import octobot.constants
    import octobot_tentacles_manager.api as tentacles_api
    from octobot_commons.configuration import Configuration
    from octobot_commons.tentacles_management import AbstractTentacle

    paths = octobot.constants.CONFIG_FILE_SCHEMA, octobot.constants.PROFILE_FILE_SCHEMA
    configuration = Configuration(str(home.config_file), str(home.profiles_folder), *paths)
    configuration.read()
    tentacles_api.reload_tentacle_info()
    __import__("tentacles")
    setup = tentacles_api.get_tentacles_setup_config(configuration.get_tentacles_config_path())
    for each in sorted(set(_below(AbstractTentacle)), key=lambda one: str(one.__name__)):
        if each.__module__.startswith("tentacles."):
            inputs = _inputs(each, configuration.config, setup)
            if inputs:
                yield each.__name__, schema_of(inputs)


def _below(parent: Any) -> Iterator[Any]:
    for each in parent.__subclasses__():
        yield each
        yield from _below(each)


def _inputs(tentacle: Any, config: dict[str, Any], setup: Any) -> list[dict[str, Any]]:
    """Return what a class declares, nothing when it cannot be asked without an exchange."""
    import octobot_tentacles_manager.api as tentacles_api

    inputs: dict[str, Any] = {}
    try:
        settings = tentacles_api.get_tentacle_config(setup, tentacle)
        tentacle.create_local_instance(config, setup, settings).init_user_inputs(inputs)
    except Exception:
        return []
    return [each.to_dict() for each in inputs.values()]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
