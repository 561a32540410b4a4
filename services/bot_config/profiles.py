"""Profiles of the bot: looked at, duplicated, deleted, and one of them selected."""

from __future__ import annotations

import builtins
import re
import shutil
from collections.abc import Container
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from models import Database
from services import audit
from services.bot_config.changes import Applied, Changes, Request
from services.bot_config.rules import check_all_settings
from services.bot_config.state import State
from services.idempotency import Claim, Idempotency
from utils import ids
from utils.errors import Conflict, NotFound
from utils.home import Home, Profile, files
from utils.home.profiles import FILE
from utils.home.tentacles import MODE, installed
from utils.wire import Message

DUPLICATE = "POST /api/config/profiles"
MOST = 100
_UNUSUAL = re.compile(r"[^A-Za-z0-9]+")


class ProfileEntry(Message, frozen=True, kw_only=True):
    """A profile; a read-only one is kept as it came."""

    id: str
    name: str
    description: str | None
    is_selected: bool
    is_read_only: bool
    trades_live: bool
    exchanges: list[str]
    trading_modes: list[str]


class Profiles:
    """Look after the profiles. Methods that take an id raise `NotFound`, `profile_not_found`, for an unknown one."""

    def __init__(self, database: Database, home: Home, changes: Changes, idempotency: Idempotency) -> None:
        self._database = database
        self._idempotency = idempotency
        self._home = home
        self._changes = changes

    def list(self) -> builtins.list[ProfileEntry]:
        """Return all profiles."""
        with self._home.locked():
            return self._entries()

    def select(self, request: Request, profile_id: str) -> Applied:
        """Let the bot run with another profile from its next start on. Raises what `Changes` does.

        :raises Refused: settings of its active tentacles are not what their schemas want; every fault is named.
        :raises Overloaded: `schemas_pending` while the tentacles are being asked for theirs.
        """
        with self._home.locked():
            found = State.read(self._home, self._get(profile_id))
        schemas = self._changes.schemas_of(found.active_settings())

        def change(_session: Session, _before: State) -> State:
            after = State.read(self._home, self._get(profile_id))
            check_all_settings(schemas, after.active_settings())
            return after

        return self._changes.apply(request, "profile_selected", change, target=profile_id)

    def duplicate(self, request: Request, profile_id: str, name: str) -> ProfileEntry:
        """Make a profile like another one, with a new id; a repeated idempotency key gets the first one.

        :raises Conflict: `too_many_profiles`.
        """
        new_id, user_id = ids.new_id(), request.principal.user_id
        folder = self._home.profiles_folder / f"{_UNUSUAL.sub('_', name).strip('_').lower()[:32]}_{new_id}"
        fresh = self._home.root / "user" / f".{new_id}"

        def copy(session: Session) -> ProfileEntry:
            profile = self._get(profile_id)
            if len(self._home.profiles()) >= MOST:
                raise Conflict(f"There are {MOST} profiles; delete one.", code="too_many_profiles")
            shutil.copytree(profile.folder, fresh)
            files.write(self._home.root, {fresh / FILE: _copied(profile, new_id, name)})
            audit.record(session, request.origin, "config.profile_added", user_id=user_id, target=new_id)
            fresh.rename(folder)
            return next(each for each in self._entries() if each.id == new_id)

        claim = Claim.of(request.principal, request.key, DUPLICATE, (profile_id, name))
        with self._home.locked():
            try:
                return self._idempotency.once(claim, ProfileEntry, copy)
            except BaseException:
                for each in (fresh, folder):
                    shutil.rmtree(each, ignore_errors=True)
                raise

    def delete(self, request: Request, profile_id: str) -> ProfileEntry:
        """Delete a profile and return it as it was.

        :raises Conflict: `profile_selected` for the one that the bot runs with, `profile_read_only`.
        """
        with self._home.locked():
            profile = self._get(profile_id)
            entry = next(each for each in self._entries() if each.id == profile_id)
            if entry.is_selected:
                raise Conflict("The bot runs with this profile; select another one first.", code="profile_selected")
            if entry.is_read_only:
                raise Conflict("The profile is read-only.", code="profile_read_only")
            gone = self._home.root / "user" / f".{ids.new_id()}"
            with self._database.write() as session:
                user_id = request.principal.user_id
                audit.record(session, request.origin, "config.profile_deleted", user_id=user_id, target=profile_id)
                profile.folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
        return entry

    def _entries(self) -> builtins.list[ProfileEntry]:
        selected = self._home.profile().id
        modes = {name for name, each in installed(self._home.tentacles_folder).items() if each.type == MODE}
        return [_entry(profile, selected, modes) for profile in self._home.profiles()]

    def _get(self, profile_id: str) -> Profile:
        for profile in self._home.profiles():
            if profile.id == profile_id:
                return profile
        raise NotFound("There is no such profile.", code="profile_not_found")


def _copied(profile: Profile, new_id: str, name: str) -> dict[str, Any]:
    about = {**profile.about, "id": new_id, "name": name, "read_only": False, "imported": False}
    return {**profile.document, "profile": {**about, "origin_url": None, "auto_update": False}}


def _entry(profile: Profile, selected: str, modes: Container[str]) -> ProfileEntry:
    trader, exchanges = (profile.config.get(name) for name in ("trader", "exchanges"))
    described = profile.about.get("description")
    return ProfileEntry(
        id=profile.id,
        name=str(profile.about.get("name", profile.id)),
        description=described if isinstance(described, str) else None,
        is_selected=profile.id == selected,
        is_read_only=profile.about.get("read_only") is True,
        trades_live=isinstance(trader, dict) and trader.get("enabled") is True,
        exchanges=sorted(exchanges) if isinstance(exchanges, dict) else [],
        trading_modes=[name for name in _active(profile.tentacles_file) if name in modes],
    )


def _active(path: Path) -> builtins.list[str]:
    """Return the active classes that trade."""
    active = files.read(path).get("tentacle_activation") if path.is_file() else None
    trading = active.get("Trading") if isinstance(active, dict) else None
    return sorted(name for name, is_on in trading.items() if is_on is True) if isinstance(trading, dict) else []
