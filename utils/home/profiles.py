"""Profiles: what the bot trades, where and with which tentacles; one of them is selected."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.errors import Conflict
from utils.home import files

FILE = "profile.json"
TENTACLES_FILE = "tentacles_config.json"
SETTINGS_FOLDER = "specific_config"
DEFAULT = "default"
"""The profile that OctoBot takes when the selected one is not there."""


@dataclass(frozen=True)
class Profile:
    """A profile and its folder; `document` is the whole file."""

    folder: Path
    document: dict[str, Any]

    @property
    def id(self) -> str:
        """Return the name that the configuration selects it by."""
        return str(self.document["profile"]["id"])

    @property
    def about(self) -> dict[str, Any]:
        """Return what it says of itself."""
        about: dict[str, Any] = self.document["profile"]
        return about

    @property
    def config(self) -> dict[str, Any]:
        """Return its part of the configuration."""
        config: dict[str, Any] = self.document["config"]
        return config

    @property
    def file(self) -> Path:
        """Return the file of the profile itself."""
        return self.folder / FILE

    @property
    def tentacles_file(self) -> Path:
        """Return the file that says which tentacles are active."""
        return self.folder / TENTACLES_FILE

    @property
    def settings_folder(self) -> Path:
        """Return the folder of the settings of its tentacles, a file for each class."""
        return self.folder / SETTINGS_FOLDER


def load(folder: Path) -> list[Profile]:
    """Return the profiles in a folder, by its order; as in OctoBot, what is no profile does not count."""
    found: dict[str, Profile] = {}
    for each in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            document = files.read(each / FILE)
        except Conflict:
            continue
        about, config = document.get("profile"), document.get("config")
        if isinstance(about, dict) and isinstance(about.get("id"), str) and isinstance(config, dict):
            found.setdefault(about["id"], Profile(each, document))
    return list(found.values())


def selected(profiles: list[Profile], wanted: str) -> Profile:
    """Return the profile that OctoBot would take. :raises Conflict: `no_profile`."""
    by_id = {profile.id: profile for profile in profiles}
    for profile_id in (wanted, DEFAULT):
        if profile_id in by_id:
            return by_id[profile_id]
    raise Conflict("The home of the bot has no profile.", code="no_profile")
