"""The operator's bot: whether it shall run, and its state. The worker supervises its process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from models import Database
from services import audit
from services.audit import Origin
from services.bot.records import BotRecords, Told, Wanted, Wish
from services.operations.configuration import redact
from services.principals import Principal
from utils.bot_bridge import BotBridge
from utils.errors import BridgeError, Conflict, Refused
from utils.home import Home
from utils.wire import (
    BotExchange,
    BotMove,
    BotReport,
    BotState,
    LeftOrder,
    Message,
)

_VERBS: Mapping[BotMove, str] = {
    "start": "bot.started",
    "stop": "bot.stopped",
    "restart": "bot.restarted",
    "pause": "bot.paused",
    "resume": "bot.resumed",
}


class BotStatus(Message, frozen=True, kw_only=True):
    """How the bot is; what only a bot that runs can tell is None or empty. `error` is what failed last.

    With `kill_switch`, that of the installation, a bot that is wanted is paused and has its open orders canceled. One
    that does not run cannot: `left_orders` are what it left at real exchanges.
    """

    state: BotState
    wanted: Wanted
    since: datetime | None
    pid: int | None
    started_at: datetime | None
    octobot_version: str | None
    profile: str | None
    kill_switch: bool
    open_orders: int | None
    left_orders: list[LeftOrder]
    exchanges: list[BotExchange]
    evaluators: list[str]
    notifiers: list[str]
    error: str | None
    failed_at: datetime | None


class Bot:
    """Want something of the bot, and look at it."""

    def __init__(
        self, database: Database, records: BotRecords, bridge: BotBridge, home: Home, *, live_trading_enabled: bool
    ) -> None:
        self._database = database
        self._records = records
        self._bridge = bridge
        self._home = home
        self._live_trading_enabled = live_trading_enabled

    def status(self) -> BotStatus:
        """Return how the bot is; nobody has to be there to tell."""
        wish, told = self._records.both()
        try:
            report = self._bridge.report() if told is not None and told.pid is not None else None
        except BridgeError:
            report = None
        return _status(wish, told, report, self._records.left_orders(), is_held=self._records.is_held())

    def move(self, principal: Principal, origin: Origin, move: BotMove) -> BotStatus:
        """Want the bot to start, stop, pause …; it is done within moments, and again after every restart.

        :raises Conflict: `bot_stopped`, `bot_paused` or `bot_failed` when that does not go with what is wanted now,
            `home_unreadable` or `no_profile` when the home keeps it from starting, `kill_switch` when that of the
            installation is engaged and it would trade.
        :raises Refused: `live_trading_disabled` when its profile trades with real money.
        """
        if move not in {"stop", "pause"} and self._records.is_held():
            detail = "The kill switch of the installation is engaged; release it before the bot is to trade."
            raise Conflict(detail, code="kill_switch")
        if move in {"start", "restart"}:
            self._check()
        with self._database.write() as session:
            wish, told = self._records.hold(session)
            wanted = moved(wish, move, has_failed=has_failed(wish, told))
            if wanted != wish:
                self._records.want(session, wanted)
                audit.record(session, origin, _VERBS[move], user_id=principal.user_id)
        return self.status()

    def _check(self) -> None:
        """Refuse what cannot run before it is tried; what only OctoBot can tell ends in the state `error`."""
        self._home.prepare()
        trader = self._home.profile().config.get("trader")
        if isinstance(trader, dict) and trader.get("enabled") and not self._live_trading_enabled:
            raise Refused("The bot's profile trades with real money.", code="live_trading_disabled")


def moved(wish: Wish, move: BotMove, *, has_failed: bool) -> Wish:
    """Return what is wanted after `move`; the same when it was wanted already.

    :raises Conflict: `bot_stopped`, `bot_paused` or `bot_failed`.
    """
    anew = wish.number + 1
    if move == "stop":
        return Wish(wanted="stopped", number=wish.number)
    if move in {"pause", "resume"} and has_failed:
        raise _failed()
    if move != "start" and wish.wanted == "stopped":
        raise _stopped()
    if move == "restart" or (move == "start" and has_failed):
        return Wish(wanted=wish.wanted, number=anew)
    if move == "start" and wish.wanted == "stopped":
        return Wish(wanted="running", number=anew)
    if move == "start" and wish.wanted == "paused":
        raise Conflict("The bot is paused; resume it.", code="bot_paused")
    return Wish(wanted="paused" if move == "pause" else "running", number=wish.number)


def expect(records: BotRecords) -> None:
    """Make sure that the bot is wanted and was not given up. :raises Conflict: `bot_stopped`, `bot_failed`."""
    wish, told = records.both()
    if has_failed(wish, told):
        raise _failed()
    if wish.wanted == "stopped":
        raise _stopped()


def has_failed(wish: Wish, told: Told | None) -> bool:
    """Tell whether the bot was given up."""
    return wish.wanted != "stopped" and told is not None and told.state == "error" and told.number == wish.number


def _status(
    wish: Wish, told: Told | None, report: BotReport | None, left: list[LeftOrder], *, is_held: bool
) -> BotStatus:
    return BotStatus(
        state=_state(wish, told, report),
        wanted=wish.wanted,
        since=None if told is None else told.since,
        pid=None if report is None else report.pid,
        started_at=None if report is None else report.started_at,
        octobot_version=None if report is None else report.octobot_version,
        profile=None if report is None else report.profile,
        kill_switch=is_held,
        open_orders=None if report is None else report.open_orders,
        left_orders=left,
        exchanges=[] if report is None else redact_settings(report.exchanges),
        evaluators=[] if report is None else report.evaluators,
        notifiers=[] if report is None else report.notifiers,
        error=None if told is None else told.error,
        failed_at=None if told is None else told.failed_at,
    )


def _state(wish: Wish, told: Told | None, report: BotReport | None) -> BotState:
    """Return what holds now: the row is a moment behind what is wanted, and behind a bot that was killed."""
    if has_failed(wish, told):
        return "error"
    is_there = report is not None and told is not None and told.state != "stopped"
    if wish.wanted == "stopped":
        return "stopping" if is_there else "stopped"
    if report is None or told is None or told.number != wish.number:
        return "starting"
    return "paused" if report.is_paused else "running"


def redact_settings(exchanges: list[BotExchange]) -> list[BotExchange]:
    """Return `exchanges` without what is kept under a name that means a secret."""
    return [
        msgspec.structs.replace(
            exchange,
            trading_modes=[
                msgspec.structs.replace(mode, settings=redact(mode.settings)) for mode in exchange.trading_modes
            ],
        )
        for exchange in exchanges
    ]


def _stopped() -> Conflict:
    return Conflict("The bot is stopped.", code="bot_stopped")


def _failed() -> Conflict:
    return Conflict("The bot has failed; its status says why. Start it anew.", code="bot_failed")
