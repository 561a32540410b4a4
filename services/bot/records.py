"""What the operator's bot shall do, and its state: two rows in `installation`, one for each writer."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Literal

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from config import Settings
from models import Database, Installation, KillSwitch
from models.facts import fact
from services import audit
from utils import clock
from utils.demo_facts import DemoFacts, demo_facts
from utils.wire import BotState, LeftOrder, Message, Order

Wanted = Literal["stopped", "running", "paused"]
ENDED: frozenset[BotState] = frozenset({"stopped", "error"})
_WISH, _TOLD, _LEFT = "bot.wish", "bot.told", "bot.left_orders"


class Wish(Message, frozen=True, kw_only=True):
    """What is wanted of the bot; a new `number` asks for a process that has not run for an earlier one."""

    wanted: Wanted
    number: int = 0


class Told(Message, frozen=True, kw_only=True):
    """What its keeper last knew of the bot: for which wish it is in `state`, `since` when, and what failed last."""

    state: BotState
    since: datetime
    number: int = 0
    pid: int | None = None
    error: str | None = None
    failed_at: datetime | None = None


class BotRecords:
    """Read and write both."""

    def __init__(self, database: Database, *, autostart: bool) -> None:
        """Take the database; `autostart` is what holds until somebody wants something."""
        self._database = database
        self._first = Wish(wanted="running" if autostart else "stopped")

    def wish(self) -> Wish:
        """Return what is wanted."""
        return self._read(_WISH, Wish) or self._first

    def told(self) -> Told | None:
        """Return what is known; None when there was never a bot."""
        return self._read(_TOLD, Told)

    def both(self) -> tuple[Wish, Told | None]:
        """Return what is wanted and what is known."""
        return self.wish(), self.told()

    def left_orders(self) -> list[LeftOrder]:
        """Return what a bot that has ended left open at real exchanges, where nobody cancels it; nothing of another."""
        told = self.told()
        return (self._read(_LEFT, list[LeftOrder]) or []) if told is not None and told.state in ENDED else []

    def is_held(self) -> bool:
        """Tell whether the kill switch of the installation is engaged: whatever is wanted, the bot may not trade."""
        query = select(KillSwitch.scope).where(KillSwitch.scope == "installation")
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def hold(self, session: Session) -> tuple[Wish, Told | None]:
        """Return both, and let nobody else want something before the transaction of `session` ends."""
        first = {"key": _WISH, "value": msgspec.json.encode(self._first).decode()}
        session.execute(self._database.insert(Installation).on_conflict_do_nothing(), first)
        held = select(Installation.value).where(Installation.key == _WISH).with_for_update()
        told = session.execute(select(Installation.value).where(Installation.key == _TOLD)).scalar()
        wish = msgspec.json.decode(session.execute(held).scalar_one(), type=Wish)
        return wish, None if told is None else msgspec.json.decode(told, type=Told)

    def want(self, session: Session, wish: Wish) -> None:
        """Want something else, in the transaction of `session` that holds what was wanted."""
        session.merge(Installation(key=_WISH, value=msgspec.json.encode(wish).decode()))

    def stop(self, number: int) -> None:
        """Want no bot any more, as it asked itself, unless somebody has wanted another one than that of `number`."""
        with self._database.write() as session:
            wish, _ = self.hold(session)
            if wish.number == number and wish.wanted != "stopped":
                self.want(session, Wish(wanted="stopped", number=number))
                audit.record(session, audit.SYSTEM, "bot.stopped", user_id=None)

    def demo(self, settings: Settings) -> DemoFacts:
        """Return what makes the demo market the same for the bot and the engine."""
        return demo_facts(settings, partial(fact, self._database))

    def tell(self, told: Told) -> None:
        """Keep what is known now."""
        self._keep(_TOLD, told)

    def leave(self, orders: list[Order]) -> None:
        """Keep what the bot has open at real exchanges."""
        now = clock.now()
        self._keep(_LEFT, [_left(order, now) for order in orders])

    def _keep(self, key: str, value: Told | list[LeftOrder]) -> None:
        row = {"key": key, "value": msgspec.json.encode(value).decode()}
        made = self._database.insert(Installation)
        with self._database.writing() as connection:
            connection.execute(
                made.on_conflict_do_update(index_elements=["key"], set_={"value": made.excluded.value}), row
            )

    def _read[T](self, key: str, kind: type[T]) -> T | None:
        with self._database.read() as connection:
            value = connection.execute(select(Installation.value).where(Installation.key == key)).scalar()
        return None if value is None else msgspec.json.decode(value, type=kind)


def _left(order: Order, seen_at: datetime) -> LeftOrder:
    return LeftOrder(
        exchange=order.exchange,
        exchange_order_id=order.exchange_order_id,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        remaining=order.remaining,
        price=order.price,
        stop_price=order.stop_price,
        seen_at=seen_at,
    )


def after(told: Told | None, state: BotState, wish: Wish, *, pid: int | None, error: str | None) -> Told:
    """Return what is known after `told`: `error` is a new failure, None leaves the last one of this wish as it is."""
    moment = clock.now()
    same_wish = told is not None and told.number == wish.number
    moved = told is None or told.state != state or told.pid != pid or not same_wish
    return Told(
        state=state,
        since=moment if told is None or moved else told.since,
        number=wish.number,
        pid=pid,
        error=error or (told.error if told is not None and same_wish else None),
        failed_at=moment if error else told.failed_at if told is not None and same_wish else None,
    )
