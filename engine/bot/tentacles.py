"""The tentacles in the bot's home: trading modes, evaluators and exchanges that others wrote."""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import octobot_tentacles_manager.api as tentacles_api
from octobot_tentacles_manager.managers import get_profile_folders, import_profile
from octobot_tentacles_manager.util import load_tentacle_with_metadata
from octobot_trading.modes import AbstractTradingMode

from utils.home import Home, files
from utils.home.profiles import FILE

_log = logging.getLogger(__name__)
INSTALLING = ".tentacles.lock"
INSTALL_SECONDS = 60.0
"""How long a process waits for another one that installs them."""
_INIT = "__init__.py"
_BLANK = "BlankTradingMode"
ACTIVATION = "tentacle_activation"


async def load(home: Home) -> None:
    """Import all tentacles; those of a package that was only unpacked into the home are installed first.

    Where there are none the folders are laid out all the same: OctoBot imports some of them by name.

    :raises RuntimeError: what is there is no package.
    """
    await install(home)
    tentacles_api.reload_tentacle_info()
    try:
        # OctoBot catches what goes wrong in each of them
        import_module("tentacles")
        _stand_in(import_module("tentacles.Trading.Mode"))
    except Exception as error:
        raise RuntimeError(f"The tentacles cannot be imported: {error}") from error


async def install(home: Home) -> None:
    """Install the tentacles that were only unpacked into the home, if there are any.

    :raises Overloaded: `home_busy` when another process takes too long with it.
    """
    with files.held(home.root / INSTALLING, INSTALL_SECONDS):
        if not _is_installed(home.tentacles_folder):
            await _install(home)


def _stand_in(modes: ModuleType) -> None:
    """Give OctoBot the mode of the official package that it names when no mode is active, or it logs a trace."""
    if not hasattr(modes, _BLANK):
        setattr(modes, _BLANK, AbstractTradingMode)


def _is_installed(folder: Path) -> bool:
    """Tell whether each tentacle is imported by the folder it lies in, as OctoBot's installer leaves it."""
    if not (folder / _INIT).exists():
        return False
    return all(_is_imported(each.name, Path(each.tentacle_path)) for each in load_tentacle_with_metadata(str(folder)))


def _is_imported(name: str, folder: Path) -> bool:
    file = folder / _INIT
    return file.exists() and f"'{name}'" in file.read_text(encoding="utf-8")


async def _install(home: Home) -> None:
    root, folder = str(home.root), str(home.tentacles_folder)
    _log.info("installing the tentacles in %s", folder)
    before = _activations(home)
    failed = await tentacles_api.repair_installation(folder, root, root, verbose=False)
    if failed:
        _log.warning("%d tentacles could not be installed", failed)
    for profile in map(Path, get_profile_folders(folder)):
        # importing the tentacles leaves folders of Python's own beside the profiles
        if (profile / FILE).is_file() and not (home.profiles_folder / profile.name).exists():
            import_profile(str(profile), root, quite=True)
    _restore(home, before)


def _activations(home: Home) -> dict[Path, dict[str, Any]]:
    """Return which tentacles are active in each profile, by its file."""
    paths = [profile.tentacles_file for profile in home.profiles()]
    return {path: files.read(path).get(ACTIVATION) or {} for path in paths if path.exists()}


def _restore(home: Home, before: dict[Path, dict[str, Any]]) -> None:
    """Keep profiles as they were: OctoBot's installer forgets what was active of tentacles that are not there (yet)."""
    with home.locked():
        changed = {}
        for path, earlier in before.items():
            document = files.read(path)
            now = document.get(ACTIVATION) or {}
            kept = {name: {**now.get(name, {}), **earlier.get(name, {})} for name in {**now, **earlier}}
            if kept != now:
                changed[path] = {**document, ACTIVATION: kept}
        home.write(changed)
