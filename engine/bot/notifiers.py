"""OctoBot's notifiers: everything in the home that sends messages to its operator, by Telegram or otherwise."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import octobot_services.api as services_api
from octobot_commons.enums import MarkdownFormat
from octobot_services.enums import NotificationCategory, NotificationLevel

from utils.errors import Conflict, NotReady
from utils.wire import NotifyBot

SECONDS = 10.0
"""How long a notifier may take until whoever wants something told is told that it is slow."""

MOST_REMEMBERED = 1_000
_log = logging.getLogger("bot")


class Notifiers:
    """Hand notices to notifiers, and know what became of it.

    OctoBot's notification channel takes a notice and never says whether it went out: so each notifier is called as that
    channel calls it, and waited for.
    """

    def __init__(self, octobot: Callable[[], Any]) -> None:
        """Take what returns the OctoBot."""
        self._octobot = octobot
        self._handed: dict[tuple[str, str], asyncio.Task[None]] = {}  # by notice and notifier, the oldest first

    def names(self) -> list[str]:
        """Return the notifiers that are configured and have found their service."""
        return sorted(notifier.get_name() for notifier in self._found())

    async def notify(self, notice: NotifyBot) -> list[str]:
        """Let all notifiers tell something, those that have told it under this `id` excepted, and return their names.

        :raises Conflict: `no_notifier` or `category_off`.
        :raises NotReady: `notifier_failed` when one failed, or is still at it; asked again, it is waited for.
        """
        found = self._found()
        if not found:
            raise Conflict("The bot has no notifier that is configured and works.", code="no_notifier")
        if not self._octobot().config["notification"].get(notice.category, True):
            detail = f"The bot's configuration keeps its notifiers quiet: notification.{notice.category} is false."
            raise Conflict(detail, code="category_off")
        tasks = {notifier.get_name(): self._hand(notifier, notice) for notifier in found}
        await asyncio.wait(tasks.values(), timeout=SECONDS)
        wrong = [f"{name} {said}" for name, task in sorted(tasks.items()) if (said := _wrong(task))]
        self._forget(notice, tasks)
        if wrong:
            raise NotReady(f"Not told: {', '.join(wrong)}.", code="notifier_failed")
        return sorted(tasks)

    def _found(self) -> list[Any]:
        return [notifier for notifier in self._octobot().interface_producer.notifiers if notifier.is_initialized]

    def _hand(self, notifier: Any, notice: NotifyBot) -> asyncio.Task[None]:
        """Return what hands the notice over: a repetition joins what is under way or done."""
        key = notice.id, notifier.get_name()
        task = self._handed.get(key)
        if task is None:
            task = self._handed[key] = asyncio.ensure_future(_tell(notifier, notice))
        return task

    def _forget(self, notice: NotifyBot, tasks: dict[str, asyncio.Task[None]]) -> None:
        """Let what failed be tried again, and remember no more than the latest."""
        for name, task in tasks.items():
            if task.done() and _wrong(task):
                self._handed.pop((notice.id, name), None)
        for key in list(self._handed)[:-MOST_REMEMBERED]:
            del self._handed[key]


async def _tell(notifier: Any, notice: NotifyBot) -> None:
    """Let `notifier` tell something, on the thread that it wants to be called on."""
    # without title and format: what users write is no Markdown, and a stray underscore would have it refused
    notification = services_api.create_notification(
        notice.text,
        markdown_format=MarkdownFormat.NONE,
        level=NotificationLevel(notice.level),
        category=NotificationCategory(notice.category),
    )
    try:
        # the channel's own callback would keep what goes wrong to itself
        if notifier.USE_MAIN_LOOP:
            await notifier._send_notification(notification)
        else:
            send = notifier._send_notification_from_executor
            await asyncio.get_running_loop().run_in_executor(notifier.executors, send, notification)
    except Exception:
        _log.exception("the notifier %s failed", notifier.get_name())
        raise
    # what they sent, if they leave it there
    if notification.metadata.get(notifier.NOTIFICATION_TYPE_KEY, notification) is None:
        raise RuntimeError("nothing was sent")


def _wrong(task: asyncio.Task[None]) -> str:
    """Return what went wrong, by its kind alone: what an exception says may repeat a token."""
    if not task.done():
        return f"did not end within {SECONDS:g} s"
    if task.cancelled():
        return "was canceled"
    error = task.exception()
    return "" if error is None else f"failed ({type(error).__name__})"
