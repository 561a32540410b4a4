"""Messages to administrators through the operator's bot: Telegram, or the other notifiers it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from services import jobs
from services.bot.bot import expect
from services.bot.records import BotRecords
from services.jobs import Run
from services.principals import Principal
from utils import ids
from utils.bot_bridge import BotBridge
from utils.wire import Message, NoticeCategory, NoticeLevel, NotifyBot

JOB = "bot_notification"
ATTEMPTS = 10
"""With waits of 5 s, 10 s and so on: for three quarters of an hour."""

MOST_LETTERS = 4_000
"""Telegram refuses more than 4,096."""

_CATEGORIES: Mapping[str, NoticeCategory] = {"fill": "trades", "rejection": "trades", "price_alert": "price-alerts"}
_LEVELS: Mapping[str, NoticeLevel] = {"rejection": "warning", "strategy_error": "error"}


class Noticed(Message, frozen=True, kw_only=True):
    """Which notifiers have told something."""

    notifiers: list[str]


def send(session: Session, kind: str, text: str, *, id: str, user_id: str | None) -> None:
    """Have the bot tell something, if the transaction of `session` commits; a second time under one `id` adds nothing.

    :param user_id: who it is about; None when it is told to several.
    """
    payload = {"id": id, "kind": kind, "text": text[:MOST_LETTERS]}
    jobs.add(session, JOB, payload, user_id=user_id, key=f"{JOB}:{id}")


class BotNotices:
    """Hand things to the bot's notifiers."""

    def __init__(self, records: BotRecords, bridge: BotBridge) -> None:
        self._records = records
        self._bridge = bridge

    def deliver(self, run: Run) -> None:
        """Do a job: have the bot tell something; a repetition under the same id is told once by one life of the bot.

        :raises TradingError: as `BotBridge.notify`, and `bot_stopped` or `bot_failed`; it is to be tried again.
        """
        self._notify(run.payload)

    def test(self, principal: Principal) -> Noticed:
        """Have the bot tell that this is a test, at once.

        :raises TradingError: as `deliver`.
        """
        text = f"This is a test, wanted by {principal.username}."
        return Noticed(notifiers=self._notify({"id": ids.new_id(), "kind": "test", "text": text}))

    def _notify(self, told: Mapping[str, Any]) -> list[str]:
        expect(self._records)
        kind = told["kind"]
        category, level = _CATEGORIES.get(kind, "global-info"), _LEVELS.get(kind, "info")
        return self._bridge.notify(NotifyBot(id=told["id"], text=told["text"], category=category, level=level))
