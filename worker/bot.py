"""The supervision of the operator's bot: run its process if it shall run, watch it, give up after repeated crashes."""

from __future__ import annotations

import logging
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from services.bot.accounts import BotAccounts
from services.bot.records import BotRecords, Told, Wish, after
from services.leases import Leases
from utils.bot_bridge import BotBridge
from utils.demo_facts import DemoFacts
from utils.errors import BridgeError, TradingError
from utils.part import Part
from utils.wire import BotExchange, BotReport, BotState, GetBotOrders, Order

POLL_SECONDS = 0.5
LEASE = "bot"
LEASE_SECONDS = 30.0
START_SECONDS = 120.0
"""How long a bot may take until it answers."""
SILENT_SECONDS = 60.0
"""How long it may not answer afterwards, as when a tentacle blocks it."""
HELD_SECONDS = 10.0
"""The same while a kill switch holds it: nobody knows then whether it still trades."""
STEADY_SECONDS = 60.0
"""A bot that lived this long is started again at once when it dies."""
STOP_SECONDS = 10.0
MOST_DEATHS = 5
"""So many in a row, and it is given up; a start anew that is asked for soon after the last one counts as one."""

MOST_LEFT = 500
"""Of an exchange so many orders are kept that the bot leaves there."""

STOPPED_ITSELF, AGAIN, UNUSABLE = 0, 75, 78
"""How it tells by its exit code why it ended (see `engine.bot.endings`)."""
REASON_LENGTH = 500

_log = logging.getLogger(__name__)


def bot_part(environment: Mapping[str, str], demo: Callable[[], DemoFacts]) -> Callable[[], Part]:
    """Return what makes the bot's process. :raises StorageUnavailable: when it is called, and `demo` cannot tell."""
    command = [sys.executable, "-m", "engine.bot"]
    return lambda: Part("bot", command, environment=bot_environment(environment, demo()), steady_seconds=STEADY_SECONDS)


def bot_environment(environment: Mapping[str, str], demo: DemoFacts) -> dict[str, str]:
    """Return `environment` without what opens the installation: tentacles are foreign code.

    The settings of a bot are checked like all others, and what is empty here does not come from `.env` either: it gets
    secrets that nobody else has, and a database that is none, with what it would ask there in `demo`.
    """
    own = {name: secrets.token_hex(32) for name in ("SECRET_KEY", "METRICS_TOKEN")}
    nothing = dict.fromkeys(("ADMIN_USERNAME", "ADMIN_PASSWORD", "SMTP_URL", "REDIS_URL"), "")
    return {
        **environment,
        **own,
        **nothing,
        "ENCRYPTION_KEYS": f"none:{secrets.token_hex(32)}",
        "DATABASE_URL": f"sqlite:///{os.devnull}",
        "DEMO_SEED": str(demo.seed),
        "DEMO_BEGUN_AT": repr(demo.begun_at),
    }


class Keeper:
    """Bring the bot to what is wanted, one look after the other, on one thread."""

    def __init__(
        self,
        records: BotRecords,
        accounts: BotAccounts,
        leases: Leases,
        bridge: BotBridge,
        make: Callable[[], Part],
        *,
        holder: str,
        last_words: Path,
    ) -> None:
        self._records = records
        self._accounts = accounts
        self._leases = leases
        self._bridge = bridge
        self._make = make
        self._holder = holder
        self._last_words = last_words
        self._part: Part | None = None
        self._number = 0  # the wish that the part runs for
        self._told: Told | None = None
        self._is_held = False  # by the kill switch of the installation
        self._exchanges: list[BotExchange] | None = None  # what it last said that it trades at
        self._open_orders: int | None = None  # how many it had when it was last asked which
        self._left: list[Order] | None = None  # those of them at real exchanges
        self._started_paused = False
        self._heard: float | None = None  # when it last answered, None before it ever did
        self._started = 0.0
        self._killed_for = ""
        self._leased_until = 0.0
        self._stopped = threading.Event()

    def run(self) -> None:
        """Keep the bot until `stop`, and end it then."""
        trouble = ""
        while not self._stopped.wait(POLL_SECONDS):
            try:
                self.turn()
                trouble = ""
            except TradingError as error:
                if error.detail != trouble:
                    _log.warning("the bot is left as it is: %s", error.detail)
                trouble = error.detail
            except Exception:
                _log.exception("looking after the bot went wrong")
        self._end()

    def stop(self) -> None:
        """Ask `run` to end; may be called anywhere."""
        self._stopped.set()

    def turn(self) -> None:
        """Do what is to be done now. :raises StorageUnavailable: nobody can tell what is wanted."""
        if not self._may_keep():
            self._end()
            return
        wish, self._told = self._records.both()
        self._is_held = self._records.is_held()
        if self._part is not None and (wish.number != self._number or wish.wanted == "stopped"):
            self._tell("stopping", wish)
            self._ask_what_is_left()
            self._end()
        if wish.wanted == "stopped":
            if self._told is not None:
                self._tell("stopped", wish)
        elif not self._is_given_up(wish):
            self._keep(wish)

    def _may_keep(self) -> bool:
        """Tell whether this worker is the one that keeps the bot; nobody can while the database is away."""
        now = time.monotonic()
        if now < self._leased_until:
            return True
        if not self._leases.take(LEASE, self._holder, timedelta(seconds=LEASE_SECONDS)):
            return False
        self._leased_until = now + LEASE_SECONDS / 5
        return True

    def _is_given_up(self, wish: Wish) -> bool:
        told = self._told
        return self._part is None and told is not None and told.state == "error" and told.number == wish.number

    def _keep(self, wish: Wish) -> None:
        if self._part is None:
            self._part, self._number = self._make(), wish.number
        part = self._part
        ended = part.reap()
        if ended is not None:
            self._after_death(part, wish, self._killed_for or ended)
            return
        if part.due is None:
            self._look(part, wish)
        elif part.due <= time.monotonic():
            self._start(part, wish)

    def _start(self, part: Part, wish: Wish) -> None:
        self._last_words.unlink(missing_ok=True)
        # told at each start: what is wanted may have changed since the one that died was started
        self._started_paused = self._is_to_pause(wish)
        part.start(*(["paused"] if self._started_paused else []))
        self._heard, self._started, self._killed_for = None, time.monotonic(), ""
        self._open_orders = None
        _log.info("the bot is started")
        self._tell("starting", wish)

    def _is_to_pause(self, wish: Wish) -> bool:
        return self._is_held or wish.wanted == "paused"

    def _look(self, part: Part, wish: Wish) -> None:
        if self._is_held and self._heard is None and not self._started_paused:
            _log.warning("the bot is started anew, paused: a kill switch is engaged")
            self._end()
            return
        now = time.monotonic()
        try:
            report = self._bridge.report()
            # the one before it may answer until it has ended
            if report.pid == part.pid:
                report = self._brought(report, wish)
                self._heard = now
                self._tell("paused" if report.is_paused else "running", wish)
                return
        except BridgeError:
            pass  # it is not there yet, or too busy
        patience = HELD_SECONDS if self._is_held else SILENT_SECONDS
        silent, limit = (now - self._started, START_SECONDS) if self._heard is None else (now - self._heard, patience)
        if silent > limit:
            self._killed_for = f"it did not answer for {silent:.0f} s and was killed"
            part.kill(heard=self._heard or self._started)

    def _brought(self, report: BotReport, wish: Wish) -> BotReport:
        """Let a bot that answers trade or not, keep which accounts it has, and return how it is then."""
        if report.is_paused != self._is_to_pause(wish):
            report = self._bridge.pause(is_paused=self._is_to_pause(wish))
        # looked at again and again: an order may have been on its way when the switch was engaged
        if self._is_held and report.open_orders:
            report = self._bridge.cancel_orders()
        if report.exchanges != self._exchanges:
            self._accounts.keep(report.exchanges)
            self._exchanges = report.exchanges
        if report.open_orders != self._open_orders:
            self._leave(report)
        return report

    def _ask_what_is_left(self) -> None:
        with suppress(BridgeError):  # what was seen last stays
            self._leave(self._bridge.report())

    def _leave(self, report: BotReport) -> None:
        """Keep what rests at real exchanges: it stays there when the bot ends, and nobody can ask that one any more."""
        live = [each.exchange for each in report.exchanges if each.mode == "live"]
        queries = [GetBotOrders(exchange=name, is_ascending=True, limit=MOST_LEFT) for name in live]
        left = [order for query in queries for order in self._bridge.orders(query)]
        if left != self._left:
            self._records.leave(left)
        self._left, self._open_orders = left, report.open_orders

    def _after_death(self, part: Part, wish: Wish, how: str) -> None:
        """Start it again, or not, by how it ended."""
        reason = self._reason(how)
        if part.code == STOPPED_ITSELF:
            _log.info("the bot stopped by itself, as somebody asked it to through OctoBot's own interfaces")
            self._part = None
            self._records.stop(wish.number)
            return
        if part.code == AGAIN:
            _log.info("the bot starts anew, as somebody asked it to through OctoBot's own interfaces")
            if part.deaths < MOST_DEATHS:
                self._tell("starting", wish)
                return
            reason = f"It asked for a new start {part.deaths} times in a row, each within a minute of its start."
        if part.code == UNUSABLE or part.deaths >= MOST_DEATHS:
            _log.error("the bot is given up (death %d in a row): %s", part.deaths, reason)
            self._part = None
            self._tell("error", wish, error=reason)
            return
        _log.warning("the bot ended: %s; starting it again", reason)
        self._tell("starting", wish, error=reason)

    def _reason(self, how: str) -> str:
        """Return why it ended, in its own last words if it had any."""
        try:
            words = self._last_words.read_text(encoding="utf-8").strip()
        except OSError:
            words = ""
        return (words or f"The bot's process ended: {how}.")[:REASON_LENGTH]

    def _end(self) -> None:
        """End the process, if there is one: in order, or by force when it takes too long."""
        part, self._part = self._part, None
        if part is None:
            return
        part.stop()
        deadline = time.monotonic() + STOP_SECONDS
        while part.is_running and time.monotonic() < deadline:
            time.sleep(0.05)
        if part.is_running:
            _log.warning("the bot did not stop in time and is killed")
        part.kill()
        _log.info("the bot has ended")

    def _tell(self, state: BotState, wish: Wish, *, error: str | None = None) -> None:
        """Keep the state if it is news."""
        pid = None if self._part is None else self._part.pid
        told = after(self._told, state, wish, pid=pid, error=error)
        if told != self._told:
            self._records.tell(told)
            self._told = told
