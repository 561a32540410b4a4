"""Change the configuration: one at a time, checked as a whole, with its history in the same transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
from sqlalchemy.orm import Session

from models import Database
from services import audit
from services.audit import Origin
from services.bot_config import history, secrets
from services.bot_config.history import Action, Change
from services.bot_config.merge_patch import merged
from services.bot_config.rules import check, check_all_settings
from services.bot_config.schemas import Schemas
from services.bot_config.state import State, differences, plain
from services.principals import Principal
from utils.errors import Conflict, FieldError, Outdated, Refused, TradingError
from utils.home import Home, files
from utils.home.tentacles import installed
from utils.wire import Message

_logger = logging.getLogger(__name__)


class Applied(Message, frozen=True, kw_only=True):
    """What came of a change: None in `change` when all was so already.

    `missing_secrets` are those of an earlier state that nobody has any more; `restart_required` tells that the bot runs
    and does not go by the new configuration yet.
    """

    version: str
    config: dict[str, Any]
    change: Change | None
    missing_secrets: list[str]
    restart_required: bool
    restarted: bool


@dataclass(frozen=True, kw_only=True)
class Request:
    """Who wants a change, whether the bot is to restart with it, and which version they go by: any for None.

    `key` is the idempotency key of what creates something.
    """

    principal: Principal
    origin: Origin
    expected: str | None = None
    restart: bool = False
    key: str | None = None


class Status(Protocol):
    """How the bot is."""

    @property
    def wanted(self) -> str:
        """Return `stopped` when it is not to run."""


class Bot(Protocol):
    """The operator's bot, as far as a change of its configuration matters to it."""

    def status(self) -> Status:
        """Return how it is."""

    def move(self, principal: Principal, origin: Origin, move: Literal["restart"], /) -> object:
        """Let it start anew."""


class Changes:
    """Change what the bot runs with.

    All methods raise `Refused` or `Forbidden` for what OctoBot must not run with, `Conflict` for a home that cannot be
    read, `Outdated` for another version than the expected one, `Overloaded` when others are at it for too long, and
    `StorageUnavailable`; nothing is changed then.
    """

    def __init__(self, database: Database, home: Home, bot: Bot | None, *, live_trading_enabled: bool) -> None:
        self._database = database
        self._home = home
        self._bot = bot
        self._schemas = Schemas(home)
        self._live_trading_enabled = live_trading_enabled

    def edit(self, request: Request, patch: dict[str, Any]) -> Applied:
        """Merge a patch (RFC 7396) into the configuration; a placeholder leaves its secret as it is."""

        def change(_session: Session, before: State) -> State:
            wanted = secrets.without_placeholders(plain(patch), before.config)
            config = merged(before.config, secrets.sealed(wanted))
            if config.get("profile") != before.profile.id:
                message = "Select a profile with POST /api/config/profiles/{id}/select."
                error = FieldError(field="profile", code="not_here", message=message)
                raise Refused(f"profile: {message}", code="not_here", errors=(error,))
            return before.with_config(config)

        return self.apply(request, "edited", change)

    def roll_back(self, request: Request, change_id: str) -> Applied:
        """Bring back what a change led to, with the secrets of now.

        :raises NotFound: `change_not_found`. :raises Conflict: `profile_gone`.
        :raises Refused: settings of then are not what the schema of their tentacle wants now.
        """
        missing: list[str] = []
        with self._database.read() as connection:
            schemas = self.schemas_of(history.snapshot(connection, change_id)[1]["settings"])

        def change(session: Session, before: State) -> State:
            profile_id, shown = history.snapshot(session, change_id)
            profiles = {profile.id: profile for profile in self._home.profiles()}
            if profile_id not in profiles:
                raise Conflict("The profile of that time is there no more.", code="profile_gone")
            now = before if profile_id == before.profile.id else State.read(self._home, profiles[profile_id])
            document = secrets.restored(shown, now.document(), missing)
            settings = document["settings"].items()
            check_all_settings(schemas, {name: value for name, value in settings if value != now.settings.get(name)})
            return replace(now, config=document["config"], active=document["tentacles"], settings=document["settings"])

        applied = self.apply(request, "rolled_back", change, target=change_id)
        return msgspec.structs.replace(applied, missing_secrets=missing)

    def apply(
        self,
        request: Request,
        action: Action,
        change: Callable[[Session, State], State],
        target: str | None = None,
    ) -> Applied:
        """Make of the present state what `change` says, and remember it.

        :param target: what the audit log names.
        """
        written: dict[Path, Any] = {}
        with self._home.locked():
            try:
                with self._database.write() as session:
                    before = State.read(self._home)
                    _check_version(request, before)
                    history.notice(session, before)
                    after = change(session, before)
                    check(before, after, live_trading_enabled=self._live_trading_enabled)
                    told = differences(before.document(), after.document())
                    entry = None
                    if told:
                        user_id = request.principal.user_id
                        entry = history.add(session, action, user_id, after, told)
                        name = f"config.{action}"
                        audit.record(session, request.origin, name, user_id=user_id, target=target or entry.id)
                        changed = after.files(self._home)
                        written = {path: files.read(path) if path.exists() else None for path in changed}
                        self._home.write(changed)
            except BaseException:
                self._home.write(written)
                raise
        is_up = self._bot is None or self._bot.status().wanted != "stopped"
        restarted = is_up and request.restart and self._restart(request)
        return Applied(
            version=after.version,
            config=secrets.redact(after.config),
            change=entry,
            missing_secrets=[],
            restart_required=is_up and entry is not None and not restarted,
            restarted=restarted,
        )

    def schemas_of(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the schemas of settings, for those tentacles that are installed and have one.

        :raises Overloaded: `schemas_pending` while they are being asked for theirs.
        """
        tentacles = installed(self._home.tentacles_folder)
        found = {name: self._schemas.of(tentacles[name])[0] for name in names if name in tentacles}
        return {name: schema for name, schema in found.items() if schema is not None}

    def _restart(self, request: Request) -> bool:
        """Let the bot start anew; the configuration is changed already, and stays so if that fails."""
        if self._bot is None:
            return False
        try:
            self._bot.move(request.principal, request.origin, "restart")
        except TradingError as error:
            _logger.warning("the bot was not restarted with its new configuration: %s", error.code)
            return False
        return True


def _check_version(request: Request, before: State) -> None:
    if request.expected not in {None, before.version}:
        raise Outdated("The configuration is another one by now.", code="config_changed")
