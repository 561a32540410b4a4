"""The folder, what must be there, and the ways to read and change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from utils.errors import StorageUnavailable
from utils.home import defaults, files, profiles
from utils.home.profiles import Profile


class Home:
    """The bot's folder; OctoBot runs with it as working directory.

    Methods that touch files raise `StorageUnavailable`, code `home_unwritable`, when the system does not let them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def config_file(self) -> Path:
        """Return the file of the configuration that all profiles share."""
        return self.root / "user" / "config.json"

    @property
    def profiles_folder(self) -> Path:
        """Return the folder of the profiles, a folder for each."""
        return self.root / "user" / "profiles"

    @property
    def tentacles_folder(self) -> Path:
        """Return the folder of the installed tentacles."""
        return self.root / "tentacles"

    def prepare(self) -> None:
        """Make the home a valid one: add what OctoBot cannot start without; what is there stays as it is."""
        with self.locked():
            pass

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep everybody else out of a home that is complete. :raises Overloaded: `home_busy`."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with files.locked(self.root):
                self._complete()
                yield
        except OSError as error:
            detail = f"The home of the bot cannot be written: {error.strerror}."
            raise StorageUnavailable(detail, code="home_unwritable") from error

    def config(self) -> dict[str, Any]:
        """Return what is in the configuration file. :raises Conflict: `home_unreadable`."""
        config: dict[str, Any] = files.read(self.config_file)
        return config

    def profiles(self) -> list[Profile]:
        """Return all profiles."""
        return profiles.load(self.profiles_folder)

    def profile(self) -> Profile:
        """Return the selected profile. :raises Conflict: `no_profile`, `home_unreadable`."""
        return profiles.selected(self.profiles(), str(self.config().get("profile", profiles.DEFAULT)))

    def write(self, changes: Mapping[Path, Any]) -> None:
        """Replace files by the JSON of values, all or none; None deletes one. Call it within `locked`."""
        files.write(self.root, changes)

    def _complete(self) -> None:
        missing: dict[Path, Any] = {}
        if not self.config_file.exists() or not self.config_file.stat().st_size:
            missing[self.config_file] = defaults.config()
        if not self.profiles_folder.is_dir() or not any(self.profiles_folder.iterdir()):
            folder = self.profiles_folder / profiles.DEFAULT
            missing[folder / profiles.FILE] = defaults.profile()
            missing[folder / profiles.TENTACLES_FILE] = defaults.tentacles()
        if missing:
            self.write(missing)
        self.tentacles_folder.mkdir(mode=0o700, exist_ok=True)
