"""What the bot runs with, as one document: read from the files of a home, and written back to them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.bot_config.secrets import redact
from utils.errors import Conflict, FieldError, Refused
from utils.home import Home, Profile, files
from utils.secret_names import ENCRYPTED, NAMES, means_secret

MANAGED = ("distribution", "crypto-currencies", "trading", "trader", "trader-simulator")
"""Members of the configuration that OctoBot takes from the profile alone."""

SHARED = ("enabled", "exchange-type")
"""Members of an exchange that the profile has a say in; the others, its keys among them, all profiles share."""

_NEW_EXCHANGE = {**ENCRYPTED, "enabled": False, "exchange-type": "spot"}
_MOST = 2**53
"""JSON numbers are exact up to here."""


@dataclass(frozen=True, kw_only=True)
class State:
    """A configuration with its profile.

    `config` is what OctoBot makes of both, `active` which tentacles run by their root type, and `settings` those of
    tentacle classes that differ from their defaults.
    """

    profile: Profile
    config: dict[str, Any]
    active: dict[str, dict[str, bool]]
    settings: dict[str, Any]

    @classmethod
    def read(cls, home: Home, profile: Profile | None = None) -> State:
        """Return what the bot runs with, or would with another profile. :raises Conflict: it cannot be read."""
        chosen = profile or home.profile()
        tentacles = files.read(chosen.tentacles_file) if chosen.tentacles_file.exists() else {}
        stored = sorted(chosen.settings_folder.glob("*.json"))
        return cls(
            profile=chosen,
            config=effective(home.config(), chosen),
            active=_objects(tentacles.get("tentacle_activation", {}), "active tentacles"),
            settings={path.stem: files.read(path) for path in stored},
        )

    def document(self) -> dict[str, Any]:
        """Return the whole state."""
        return {"config": self.config, "tentacles": self.active, "settings": self.settings}

    def shown(self) -> dict[str, Any]:
        """Return the whole state without secrets."""
        document: dict[str, Any] = redact(self.document())
        return document

    def active_settings(self) -> dict[str, Any]:
        """Return the settings of the tentacles that run, where they differ from their defaults."""
        active = {name for classes in self.active.values() for name, is_on in classes.items() if is_on is True}
        return {name: value for name, value in self.settings.items() if name in active}

    @property
    def version(self) -> str:
        """Return what names this state and no other."""
        return hashlib.sha256(json.dumps(self.document(), sort_keys=True).encode()).hexdigest()[:32]

    def with_config(self, config: dict[str, Any]) -> State:
        """Return the same with another configuration."""
        return replace(self, config=config)

    def files(self, home: Home) -> dict[Path, Any]:
        """Return the files of the home that are to be written, None for those to be deleted."""
        config, document = split(self.config, self.profile)
        tentacles = files.read(self.profile.tentacles_file) if self.profile.tentacles_file.exists() else {}
        wanted: dict[Path, Any] = {
            home.config_file: config,
            self.profile.file: document,
            self.profile.tentacles_file: {
                "registered_tentacles": {},
                "installation_context": {},
                **tentacles,
                "tentacle_activation": self.active,
            },
        }
        wanted |= dict.fromkeys(self.profile.settings_folder.glob("*.json"))
        wanted |= {self.profile.settings_folder / f"{name}.json": value for name, value in self.settings.items()}
        return {path: value for path, value in wanted.items() if not _is_there(path, value)}


def _is_there(path: Path, value: Any) -> bool:
    return value is not None and path.exists() and same(files.read(path), value)


def effective(config: dict[str, Any], profile: Profile) -> dict[str, Any]:
    """Return the configuration as OctoBot makes it of its file and a profile."""
    result = {**config, "profile": profile.id}
    own = {"distribution": "default", **profile.config}
    result |= {name: own[name] for name in MANAGED if name in own}
    theirs = _objects(own.get("exchanges", {}), "exchanges of the profile")
    exchanges = {}
    for name, exchange in _objects(config.get("exchanges", {}), "exchanges").items():
        switched_off = {"enabled": False} if name not in theirs and "enabled" in exchange else {}
        exchanges[name] = {**exchange, **switched_off, **theirs.get(name, {})}
    for name, exchange in theirs.items():
        exchanges.setdefault(name, {**_NEW_EXCHANGE, **exchange})
    return {**result, "exchanges": exchanges}


def _objects(value: Any, name: str) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(each, dict) for each in value.values()):
        raise Conflict(f"The {name} in the home of the bot are not what OctoBot reads.", code="home_unreadable")
    return value


def split(config: dict[str, Any], profile: Profile) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what of a configuration goes into its file, and the profile's file with the rest."""
    shared = {name: value for name, value in config.items() if name not in MANAGED}
    kept = {name: value for name, value in profile.config.items() if name not in MANAGED}
    managed = {name: config[name] for name in MANAGED if name in config}
    exchanges = {
        name: {key: value for key, value in exchange.items() if key in SHARED}
        for name, exchange in config.get("exchanges", {}).items()
    }
    return shared, {**profile.document, "config": {**kept, **managed, "exchanges": exchanges}}


def differences(before: Any, after: Any) -> list[dict[str, Any]]:
    """Return what to do to `before` to have `after`: JSON pointers with both values, without secrets."""
    return list(_differences(before, after, "", is_secret=False, has_names=False))


def _differences(
    before: dict[str, Any], after: dict[str, Any], path: str, *, is_secret: bool, has_names: bool
) -> Iterator[dict[str, Any]]:
    for name in sorted({*before, *after}):
        here = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
        one, two = before.get(name), after.get(name)
        if isinstance(one, dict) and isinstance(two, dict):
            secret = is_secret or means_secret(name, two, has_names)
            yield from _differences(one, two, here, is_secret=secret, has_names=name in NAMES)
        elif (name in before) != (name in after) or not same(one, two):
            op = "remove" if name not in after else "add" if name not in before else "replace"
            shown = (redact({name: each}, is_secret=is_secret, has_names=has_names)[name] for each in (one, two))
            yield {"op": op, "path": here, **dict(zip(("before", "after"), shown, strict=True))}


def same(one: Any, two: Any) -> bool:
    """Tell whether two values are the same JSON: true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)


def plain(value: Any, path: str = "") -> Any:
    """Return a request's value with its exact numbers as JSON has them. :raises Refused: one is out of range."""
    if isinstance(value, dict):
        return {name: plain(child, f"{path}.{name}" if path else name) for name, child in value.items()}
    if isinstance(value, list):
        return [plain(child, f"{path}.{number}") for number, child in enumerate(value)]
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return value
    if not -_MOST <= value <= _MOST:
        error = FieldError(field=path, code="out_of_range", message="The number is out of range.")
        raise Refused(f"{path}: {error.message}", errors=(error,))
    return value if isinstance(value, int) else float(value)
