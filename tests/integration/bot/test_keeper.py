"""The keeper of the bot, with small processes in the place of OctoBot."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select

import utils.part
import worker.bot
from config import Settings
from models import AuditEntry, Database, KillSwitch
from services.bot.accounts import BotAccounts
from services.bot.records import BotRecords, Told, Wanted, Wish
from services.leases import Leases
from tests.factories import SignedIn
from utils import clock
from utils.bot_bridge import BotBridge
from utils.demo_facts import DemoFacts
from utils.errors import EngineUnavailable
from utils.part import Part
from utils.wire import BotExchange, BotReport
from worker.bot import LEASE, MOST_DEATHS, Keeper, bot_environment

PATIENCE = 60.0
STAY = "import os\nos.read(int(os.environ['LIFELINE_FD']), 1)"
ASK_ONCE = (
    """import os
asked = os.environ['LAST_WORDS'] + '.asked'
if not os.path.exists(asked):
    open(asked, 'w').close()
    os._exit(75)
"""
    + STAY
)
STUBBORN = "import threading\nthreading.Event().wait()"


class Answers(BotBridge):
    """Answers in the place of whichever process there is, unless it is told to be silent."""

    def __init__(self) -> None:
        self.is_paused = False
        self.is_silent = False
        self.open_orders = 0
        self.exchanges: list[BotExchange] = []
        self.pid: Callable[[], int | None] = lambda: None

    def report(self) -> BotReport:
        pid = self.pid()
        if self.is_silent or pid is None:
            raise EngineUnavailable("The bot cannot be reached.")
        return BotReport(
            pid=pid,
            octobot_version="2.1.1",
            started_at=clock.now(),
            is_paused=self.is_paused,
            open_orders=self.open_orders,
            profile="default",
            exchanges=self.exchanges,
            evaluators=[],
            notifiers=[],
        )

    def pause(self, *, is_paused: bool) -> BotReport:
        self.is_paused = is_paused
        return self.report()

    def cancel_orders(self) -> BotReport:
        self.open_orders = max(self.open_orders - 1, 0)
        return self.report()


class Watched(Part):
    """Tells its stage with what it is started."""

    stage: Stage

    def start(self, *arguments: str, descriptors: Sequence[int] = ()) -> None:
        self.stage.started.append(arguments)
        self.stage.bridge.is_paused = "paused" in arguments
        super().start(*arguments, descriptors=descriptors)


class Stage:
    """A keeper whose bot runs `code`."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database = database
        self.records = BotRecords(database, autostart=False)
        self.bridge = Answers()
        self.code = STAY
        self.last_words = directory / "last-words"
        self.made: list[Part] = []
        self.started: list[tuple[str, ...]] = []
        self.bridge.pid = lambda: self.made[-1].pid if self.made else None
        self.keeper = self.another("tests")

    def another(self, holder: str) -> Keeper:
        accounts, leases = BotAccounts(self.database), Leases(self.database)
        return Keeper(self.records, accounts, leases, self.bridge, self.make, holder=holder, last_words=self.last_words)

    def keeper_after_a_restart(self) -> Keeper:
        """End what this keeper has, and return the one of the worker that comes next."""
        self.end()
        return self.another("tests")

    def make(self) -> Part:
        environment = {**os.environ, "LAST_WORDS": str(self.last_words)}
        part = Watched("bot", [sys.executable, "-S", "-E", "-c", self.code], environment=environment)
        part.stage = self
        self.made.append(part)
        return part

    def want(self, wanted: Wanted, number: int = 1) -> None:
        with self.database.write() as session:
            self.records.hold(session)
            self.records.want(session, Wish(wanted=wanted, number=number))

    def until(self, state: str, look: Callable[[Told], bool] = lambda _: True) -> Told:
        deadline = time.monotonic() + PATIENCE
        while True:
            self.keeper.turn()
            told = self.records.told()
            if told is not None and told.state == state and look(told):
                return told
            assert time.monotonic() < deadline, told
            time.sleep(0.01)

    def end(self) -> None:
        self.keeper.stop()
        self.keeper.run()


@pytest.fixture
def stage(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(utils.part, "RESTART_DELAYS", (0.0,))
    stage = Stage(database, tmp_path)
    yield stage
    stage.end()
    assert not any(part.is_running for part in stage.made)


def test_nothing_runs_and_nothing_is_written_before_somebody_wants_it(stage: Stage) -> None:
    stage.keeper.turn()
    assert stage.made == []
    assert stage.records.told() is None


def test_a_setting_may_want_it_until_somebody_decides(stage: Stage) -> None:
    stage.records = BotRecords(stage.database, autostart=True)
    stage.keeper = stage.another("tests")
    stage.until("running")
    stage.want("stopped", 0)
    stage.until("stopped")
    assert BotRecords(stage.database, autostart=True).wish().wanted == "stopped"


def test_it_runs_pauses_goes_on_and_stops(stage: Stage) -> None:
    stage.want("running")
    told = stage.until("running")
    assert told.pid == stage.made[0].pid
    stage.want("paused")
    stage.until("paused")
    assert stage.bridge.report().is_paused
    stage.want("running")
    stage.until("running")
    assert not stage.bridge.report().is_paused
    stage.want("stopped")
    assert stage.until("stopped").pid is None
    assert len(stage.made) == 1


def test_a_new_wish_gets_a_new_process_paused_from_its_start(stage: Stage) -> None:
    stage.want("paused")
    first = stage.until("paused")
    stage.want("paused", 2)
    second = stage.until("paused", lambda told: told.number == 2)
    assert second.pid != first.pid
    assert stage.started == [("paused",), ("paused",)]


def test_one_that_is_killed_while_it_is_paused_starts_paused(stage: Stage) -> None:
    stage.want("running")
    stage.until("running")
    stage.want("paused")
    pid = stage.until("paused").pid
    assert pid is not None
    os.kill(pid, 9)
    stage.until("paused", lambda told: told.pid != pid)
    assert stage.started == [(), ("paused",)]


def test_one_that_is_killed_is_started_again_and_one_that_keeps_dying_is_given_up(stage: Stage) -> None:
    stage.want("running")
    pid = stage.until("running").pid
    assert pid is not None
    os.kill(pid, 9)
    again = stage.until("running", lambda told: told.pid != pid)
    assert again.error == "The bot's process ended: killed by SIGKILL."

    stage.code = "import os\nopen(os.environ['LAST_WORDS'], 'w').write('no luck')\nos._exit(1)"
    stage.bridge.is_silent = True
    stage.want("running", 2)
    told = stage.until("error")
    assert told.error == "no luck"
    assert stage.made[-1].deaths == MOST_DEATHS

    # another worker does not begin it all again; somebody has to want it anew
    count = len(stage.made)
    stage.keeper = stage.another("tests")
    for _ in range(3):
        stage.keeper.turn()
    assert len(stage.made) == count
    stage.code, stage.bridge.is_silent = STAY, False
    stage.want("running", 3)
    assert stage.until("running").error is None


def test_a_home_that_cannot_be_used_is_not_tried_again(stage: Stage) -> None:
    stage.code = "import os\nos._exit(78)"
    stage.bridge.is_silent = True
    stage.want("running")
    assert stage.until("error").error == "The bot's process ended: exit code 78."
    assert stage.made[0].deaths == 1


def test_one_that_was_stopped_from_within_stays_stopped(stage: Stage) -> None:
    stage.code = "import os\nos._exit(0)"
    stage.bridge.is_silent = True
    stage.want("running")
    stage.until("stopped")
    assert stage.records.wish() == Wish(wanted="stopped", number=1)
    with stage.database.read() as connection:
        rows = connection.execute(select(AuditEntry.action, AuditEntry.user_id)).all()
    assert [tuple(row) for row in rows] == [("bot.stopped", None)]


def test_a_bot_is_not_told_what_opens_the_installation(tmp_path: Path) -> None:
    drawn = ("SECRET_KEY", "METRICS_TOKEN", "ENCRYPTION_KEYS")
    names = (*drawn, "DATABASE_URL", "ADMIN_USERNAME", "ADMIN_PASSWORD", "SMTP_URL", "REDIS_URL")
    environment = {**dict.fromkeys(names, "canary"), "LOG_LEVEL": "DEBUG"}
    told = bot_environment(environment, DemoFacts(7, 1.5))
    assert "canary" not in told.values()
    settings = Settings.from_env({**told, "DATA_DIR": str(tmp_path)})
    assert (settings.log_level, settings.demo_seed, settings.admin_password) == ("DEBUG", "7", "")
    # what a bot gets in their place opens nothing of another one either
    again = bot_environment(environment, DemoFacts(7, 1.5))
    assert all(told[name] != again[name] for name in drawn)


def test_one_that_starts_anew_from_within_has_not_failed(stage: Stage) -> None:
    stage.code = ASK_ONCE
    stage.want("running")
    assert stage.until("running", lambda _: len(stage.started) == 2).error is None


def test_one_that_asks_for_a_new_start_at_each_start_is_given_up(stage: Stage) -> None:
    stage.code = "import os\nos._exit(75)"
    stage.bridge.is_silent = True
    stage.want("running")
    told = stage.until("error")
    assert "asked for a new start 5 times in a row" in str(told.error)
    assert len(stage.started) == MOST_DEATHS


def test_one_that_answers_no_more_is_killed_also_when_it_does_not_listen(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.code = STUBBORN
    stage.want("running")
    pid = stage.until("running").pid
    monkeypatch.setattr(worker.bot, "SILENT_SECONDS", 0.2)
    stage.bridge.is_silent = True
    told = stage.until("starting", lambda told: told.error is not None)
    assert "did not answer" in str(told.error)
    monkeypatch.undo()
    stage.bridge.is_silent = False
    assert stage.until("running").pid != pid
    monkeypatch.setattr(worker.bot, "STOP_SECONDS", 0.1)
    stage.want("stopped")
    stage.until("stopped")


def test_one_worker_of_all_keeps_it(stage: Stage) -> None:
    stage.want("running")
    stage.until("running")
    other = stage.another("others")
    other.turn()
    assert len(stage.made) == 1

    # this one was gone for too long: the other one has it now, and this one lets go of its own
    leases = Leases(stage.database)
    leases.give_back("tests")
    assert leases.take(LEASE, "others", timedelta(hours=1))
    stage.keeper._leased_until = 0.0
    stage.keeper.turn()
    assert not stage.made[0].is_running


class TestKillSwitch:
    @pytest.fixture
    def engage(self, stage: Stage, admin: SignedIn) -> Callable[[], None]:
        def write() -> None:
            with stage.database.write() as session:
                session.add(KillSwitch(scope="installation", target="", engaged_by=admin.id, engaged_at=clock.now()))

        return write

    def release(self, stage: Stage) -> None:
        with stage.database.write() as session:
            session.execute(delete(KillSwitch))

    def test_it_pauses_the_bot_and_cancels_its_orders_over_its_death(
        self, stage: Stage, engage: Callable[[], None]
    ) -> None:
        stage.want("running")
        stage.until("running")
        stage.bridge.open_orders = 3
        stage.keeper.turn()
        assert stage.bridge.open_orders == 3
        engage()
        pid = stage.until("paused", lambda _: stage.bridge.open_orders == 0).pid
        assert pid is not None
        os.kill(pid, 9)
        stage.bridge.open_orders = 1  # an exchange still has one
        stage.until("paused", lambda told: told.pid != pid and stage.bridge.open_orders == 0)
        assert stage.started == [(), ("paused",)]
        stage.keeper = stage.keeper_after_a_restart()
        stage.until("paused")
        assert stage.started[2:] == [("paused",)]
        self.release(stage)
        stage.until("running")

    def test_one_that_is_starting_is_started_anew_paused(self, stage: Stage, engage: Callable[[], None]) -> None:
        stage.want("running")
        stage.bridge.is_silent = True
        stage.until("starting", lambda _: stage.started == [()])
        engage()
        stage.until("starting", lambda _: stage.started == [(), ("paused",)])
        stage.bridge.is_silent = False
        stage.until("paused")

    def test_one_that_does_not_answer_is_not_waited_for_as_long(
        self, stage: Stage, engage: Callable[[], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stage.want("running")
        pid = stage.until("running").pid
        monkeypatch.setattr(worker.bot, "HELD_SECONDS", 0.2)
        stage.bridge.is_silent = True
        engage()
        stage.until("starting", lambda told: "did not answer" in str(told.error))
        stage.bridge.is_silent = False
        assert stage.until("paused").pid != pid

    def test_one_that_is_to_pause_stays_paused_afterwards(self, stage: Stage, engage: Callable[[], None]) -> None:
        engage()
        stage.want("paused")
        stage.until("paused")
        self.release(stage)
        stage.keeper.turn()
        assert stage.bridge.is_paused


def test_which_accounts_it_has_is_kept_when_it_says_so(stage: Stage, admin: SignedIn) -> None:
    accounts = BotAccounts(stage.database)
    spot = BotExchange(
        exchange="demo", type="spot", mode="paper", reference_currency="USDT", symbols=[], trading_modes=[]
    )
    stage.bridge.exchanges = [spot]
    assert accounts.list(admin.principal) == []
    stage.want("running")
    stage.until("running")
    (kept,) = accounts.list(admin.principal)
    assert (kept.id, kept.is_traded) == ("bot-demo", True)
    stage.want("stopped")
    stage.until("stopped")
    assert accounts.list(admin.principal) == [kept]
    stage.bridge.exchanges = []
    stage.want("running", 2)
    stage.until("running")
    (gone,) = accounts.list(admin.principal)
    assert (gone.id, gone.is_traded, gone.opened_at) == ("bot-demo", False, kept.opened_at)
