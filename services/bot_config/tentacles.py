"""Tentacles of the bot: which are installed, which are active in its profile, and with which settings."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from services.bot_config.changes import Applied, Changes, Request
from services.bot_config.merge_patch import merged
from services.bot_config.schemas import Schemas, Source
from services.bot_config.secrets import redact, without_placeholders
from services.bot_config.state import State, plain
from utils.errors import NotFound
from utils.home import Home
from utils.home.checking import check_settings
from utils.home.tentacles import MODE, Tentacle, installed
from utils.wire import Message


class TentacleEntry(Message, frozen=True, kw_only=True):
    """A class of an installed module; `has_own_settings` when the profile has other settings than the defaults."""

    name: str
    module: str
    type: str
    version: str
    package: str
    is_active: bool
    has_own_settings: bool


class TentacleDetail(TentacleEntry, frozen=True, kw_only=True):
    """A class with its settings, secrets redacted, and with their JSON Schema, if its module or code tells one."""

    description: str
    settings: dict[str, Any]
    defaults: dict[str, Any]
    schema: dict[str, Any] | None
    schema_source: Source | None


@dataclass(frozen=True, kw_only=True)
class TentacleEdit:
    """What to change: nothing where it is unset; `settings` is a merge patch, None brings the defaults back."""

    is_active: bool | msgspec.UnsetType = msgspec.UNSET
    settings: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET


class Tentacles:
    """Look after the tentacles of the selected profile. All methods raise `Conflict` for a home that is damaged."""

    def __init__(self, home: Home, changes: Changes) -> None:
        self._home = home
        self._changes = changes
        self._schemas = Schemas(home)

    def list(self, *, type: str | None = None, is_active: bool | None = None) -> builtins.list[TentacleEntry]:
        """Return the installed classes, by name.

        :param type: such as `Trading/Mode`, or the beginning of it, `Trading`.
        """
        with self._home.locked():
            state = State.read(self._home)
            entries = [_entry(each, state) for each in installed(self._home.tentacles_folder).values()]
        return [
            each
            for each in entries
            if (type is None or f"{each.type}/".startswith(f"{type}/")) and is_active in {None, each.is_active}
        ]

    def get(self, name: str) -> TentacleDetail:
        """Return a class with its settings. :raises NotFound: `tentacle_not_found`."""
        with self._home.locked():
            tentacle = self._get(name)
            state = State.read(self._home)
        schema, source = self._schemas.of(tentacle)
        return _detail(tentacle, state, schema, source)

    def edit(self, request: Request, name: str, edit: TentacleEdit) -> Applied:
        """Switch a class on or off, and change its settings. Raises what `Changes` does.

        A trading mode that is switched on takes the place of the one that was.

        :raises NotFound: `tentacle_not_found`. :raises Refused: the settings are not what its schema wants.
        """
        schema = self._schemas.of(self._get(name))[0] if edit.settings else None

        def change(_session: Session, before: State) -> State:
            tentacles = installed(self._home.tentacles_folder)
            if name not in tentacles:
                raise _not_found()
            after = before
            if not isinstance(edit.is_active, msgspec.UnsetType):
                after = _switched(after, tentacles, tentacles[name], edit.is_active)
            if not isinstance(edit.settings, msgspec.UnsetType):
                after = _with_settings(after, tentacles[name], edit.settings, schema)
            return after

        return self._changes.apply(request, "tentacle_edited", change, target=name)

    def _get(self, name: str) -> Tentacle:
        tentacle = installed(self._home.tentacles_folder).get(name)
        if tentacle is None:
            raise _not_found()
        return tentacle


def _switched(state: State, tentacles: dict[str, Tentacle], tentacle: Tentacle, is_active: bool) -> State:
    classes = dict(state.active.get(tentacle.root_type, {}))
    if is_active and tentacle.type == MODE:
        modes = {name for name, each in tentacles.items() if each.type == MODE}
        classes = {name: is_on and name not in modes for name, is_on in classes.items()}
    return replace(state, active={**state.active, tentacle.root_type: {**classes, tentacle.name: is_active}})


def _with_settings(
    state: State, tentacle: Tentacle, patch: dict[str, Any] | None, schema: dict[str, Any] | None
) -> State:
    if patch is None:
        others = {name: value for name, value in state.settings.items() if name != tentacle.name}
        return replace(state, settings=others)
    current = state.settings.get(tentacle.name, tentacle.defaults())
    wanted = merged(current, without_placeholders(plain(patch, "settings"), current, "settings"))
    if schema is not None:
        check_settings(schema, wanted)
    return replace(state, settings={**state.settings, tentacle.name: wanted})


def _entry(tentacle: Tentacle, state: State) -> TentacleEntry:
    return TentacleEntry(
        name=tentacle.name,
        module=tentacle.module,
        type=tentacle.type,
        version=tentacle.version,
        package=tentacle.package,
        is_active=state.active.get(tentacle.root_type, {}).get(tentacle.name) is True,
        has_own_settings=tentacle.name in state.settings,
    )


def _detail(tentacle: Tentacle, state: State, schema: dict[str, Any] | None, source: Source | None) -> TentacleDetail:
    defaults = tentacle.defaults()
    return TentacleDetail(
        **msgspec.structs.asdict(_entry(tentacle, state)),
        description=tentacle.description(),
        settings=redact(state.settings.get(tentacle.name, defaults)),
        defaults=redact(defaults),
        schema=schema,
        schema_source=source,
    )


def _not_found() -> NotFound:
    return NotFound("There is no such tentacle installed.", code="tentacle_not_found")
