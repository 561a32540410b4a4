"""How notices reach OctoBot's notifiers: each once, waited for, and with what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from types import SimpleNamespace
from typing import Any

import pytest

from engine.bot import notifiers
from engine.bot.notifiers import Notifiers
from utils.errors import Conflict, NotReady
from utils.wire import NotifyBot

NOTICE = NotifyBot(id="1", text="a_b", category="trades", level="warning")


class Notifier:
    """A notifier as OctoBot's channel calls it; it tells when `may_tell` is set."""

    USE_MAIN_LOOP = True
    NOTIFICATION_TYPE_KEY = "phone"
    executors = None
    is_initialized = True

    def __init__(self, name: str) -> None:
        self._name = name
        self.trouble: Exception | None = None
        self.is_silent = False
        self.may_tell = asyncio.Event()
        self.may_tell.set()
        self.told: list[Any] = []

    def get_name(self) -> str:
        return self._name

    async def _send_notification(self, notification: Any) -> None:
        await self.may_tell.wait()
        if self.trouble is not None:
            raise self.trouble
        if self.is_silent:
            notification.metadata[self.NOTIFICATION_TYPE_KEY] = None
        else:
            self.told.append(notification)


class ThreadNotifier(Notifier):
    """A notifier that OctoBot calls on a thread, with a loop of its own."""

    USE_MAIN_LOOP = False

    def _send_notification_from_executor(self, notification: Any) -> None:
        asyncio.run(self._send_notification(notification))


def hold(*found: Notifier, **switches: bool) -> Notifiers:
    octobot = SimpleNamespace(
        interface_producer=SimpleNamespace(notifiers=list(found)), config={"notification": switches}
    )
    return Notifiers(lambda: octobot)


def in_a_loop[**P](test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@in_a_loop
async def test_all_tell_it_once_and_as_it_was_written() -> None:
    phone, paper = Notifier("Phone"), ThreadNotifier("Paper")
    held = hold(phone, paper)
    for _ in range(2):
        assert await held.notify(NOTICE) == held.names() == ["Paper", "Phone"]
    for each in (phone, paper):
        [notification] = each.told
        assert (notification.text, notification.title, notification.markdown_format.name) == ("a_b", "", "NONE")
        assert (notification.level.value, notification.category.value) == ("warning", "trades")


@in_a_loop
async def test_without_a_notifier_that_works_nothing_is_told() -> None:
    broken = Notifier("Broken")
    broken.is_initialized = False
    held = hold(broken)
    assert held.names() == []
    with pytest.raises(Conflict) as raised:
        await held.notify(NOTICE)
    assert raised.value.code == "no_notifier"
    assert broken.told == []


@in_a_loop
async def test_what_the_operator_does_not_want_told_is_refused() -> None:
    phone = Notifier("Phone")
    held = hold(phone, trades=False)
    with pytest.raises(Conflict) as raised:
        await held.notify(NOTICE)
    assert raised.value.code == "category_off"
    assert "notification.trades" in raised.value.detail
    assert await held.notify(NotifyBot(id="2", text="other", category="global-info")) == ["Phone"]
    assert len(phone.told) == 1


@in_a_loop
async def test_asked_again_only_those_tell_it_that_have_not() -> None:
    phone, paper, post = Notifier("Phone"), Notifier("Paper"), Notifier("Post")
    phone.trouble, post.is_silent = OSError("the token 12345 was refused"), True
    held = hold(phone, paper, post)
    with pytest.raises(NotReady) as raised:
        await held.notify(NOTICE)
    assert raised.value.code == "notifier_failed"
    assert raised.value.detail == "Not told: Phone failed (OSError), Post failed (RuntimeError)."
    phone.trouble, post.is_silent = None, False
    assert await held.notify(NOTICE) == ["Paper", "Phone", "Post"]
    assert len(phone.told) == len(paper.told) == len(post.told) == 1


@in_a_loop
async def test_one_that_is_slow_is_named_and_not_asked_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    phone = Notifier("Phone")
    phone.may_tell.clear()
    held = hold(phone)
    monkeypatch.setattr(notifiers, "SECONDS", 0.01)
    with pytest.raises(NotReady) as raised:
        await held.notify(NOTICE)
    assert raised.value.detail == "Not told: Phone did not end within 0.01 s."
    monkeypatch.setattr(notifiers, "SECONDS", 60.0)
    phone.may_tell.set()
    assert await held.notify(NOTICE) == ["Phone"]
    assert len(phone.told) == 1


@in_a_loop
async def test_no_more_than_the_latest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifiers, "MOST_REMEMBERED", 2)
    phone = Notifier("Phone")
    held = hold(phone)
    for id in ("1", "2", "3", "3", "2", "1"):
        await held.notify(NotifyBot(id=id, text=id))
    assert [each.text for each in phone.told] == ["1", "2", "3", "1"]
