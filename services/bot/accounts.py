"""The accounts of the operator's bot, one for each exchange that it trades at, as administrators see them."""

from __future__ import annotations

import builtins
from datetime import datetime

import msgspec
from sqlalchemy import select

from models import Database, Installation
from services.principals import Principal
from utils import clock
from utils.errors import Conflict
from utils.wire import BotExchange, Message, Mode, bot_account

_KEY = "bot.accounts"
LOOK = "bot:read"
"""The permission of those who see them: the bot is the installation's, not one administrator's."""


class BotAccount(Message, frozen=True, kw_only=True):
    """What is kept of an exchange, so that its account is there while the bot is not; `opened_at` never changes."""

    exchange: str
    type: str
    mode: Mode
    reference_currency: str
    is_traded: bool
    opened_at: datetime

    @property
    def id(self) -> str:
        """Return the id of the account."""
        return bot_account(self.exchange)


class BotAccounts:
    """Keep and read which accounts the bot has; nobody has to be there to tell."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, principal: Principal) -> builtins.list[BotAccount]:
        """Return all of them, by their ids; none for who may not look at the bot."""
        return self._kept() if LOOK in principal.permissions else []

    def find(self, principal: Principal, account_id: str | None) -> BotAccount | None:
        """Return one, None when there is none of this id for the caller."""
        if account_id is None or not account_id.startswith(bot_account("")):
            return None
        return next((each for each in self.list(principal) if each.id == account_id), None)

    def keep(self, exchanges: builtins.list[BotExchange]) -> None:
        """Keep what the bot says that it trades at; an account of an earlier one stays, archived."""
        kept = {each.exchange: each for each in self._kept()}
        told = {each.exchange: _kept(each, kept.get(each.exchange)) for each in exchanges}
        gone = {name: msgspec.structs.replace(each, is_traded=False) for name, each in kept.items() if name not in told}
        now = {**told, **gone}
        if now == kept:
            return
        value = msgspec.json.encode([now[name] for name in sorted(now)]).decode()
        made = self._database.insert(Installation)
        statement = made.on_conflict_do_update(index_elements=["key"], set_={"value": made.excluded.value})
        with self._database.writing() as connection:
            connection.execute(statement, {"key": _KEY, "value": value})

    def _kept(self) -> builtins.list[BotAccount]:
        with self._database.read() as connection:
            value = connection.execute(select(Installation.value).where(Installation.key == _KEY)).scalar()
        return [] if value is None else msgspec.json.decode(value, type=builtins.list[BotAccount])


def managed() -> Conflict:
    """Return the refusal of what only the bot itself may do."""
    detail = "This account is the operator's bot's: it is started, paused and stopped under /api/bot."
    return Conflict(detail, code="account_managed")


def _kept(told: BotExchange, earlier: BotAccount | None) -> BotAccount:
    return BotAccount(
        exchange=told.exchange,
        type=told.type,
        mode=told.mode,
        reference_currency=told.reference_currency,
        is_traded=True,
        opened_at=clock.now() if earlier is None else earlier.opened_at,
    )
