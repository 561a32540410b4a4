"""Jobs: wanted in a transaction, given out under leases, and done at least once however workers end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from models import Database, Job
from services import jobs
from services.jobs import MOST_STARTS, Handler, Interrupted, Jobs, Run
from services.leases import Leases
from tests.factories import SignedIn
from tests.streamer_host import until
from utils import clock
from utils.errors import Refused
from worker.schedule import Every
from worker.worker import Worker

LEASE = timedelta(seconds=30)
Start = Callable[..., Worker]


@pytest.fixture
def queue(database: Database) -> Jobs:
    return Jobs(database)


@pytest.fixture
def start(database: Database) -> Iterator[Start]:
    started: list[tuple[Worker, threading.Thread]] = []

    def _start(handlers: dict[str, Handler], *things: Every, holder: str = "a", lease: timedelta = LEASE) -> Worker:
        worker = Worker(Jobs(database), Leases(database), handlers, things, holder=holder, lease=lease)
        thread = threading.Thread(target=worker.run)
        thread.start()
        started.append((worker, thread))
        return worker

    yield _start
    for worker, thread in started:
        worker.stop()
        thread.join(60)
        assert not thread.is_alive()


def want(database: Database, kind: str = "sum", **options: Any) -> str:
    with database.write() as session:
        return jobs.add(session, kind, {"n": 1}, **options)


def row_of(database: Database, job_id: str) -> Any:
    with database.read() as connection:
        return connection.execute(select(Job.__table__).where(Job.id == job_id)).one()


def lapse(database: Database, job_id: str, **values: Any) -> None:
    """Let the time of a lease go by."""
    with database.write() as session:
        past = clock.now() - timedelta(seconds=1)
        session.execute(update(Job).where(Job.id == job_id).values(lease_until=past, **values))


def test_a_job_exists_only_when_its_transaction_commits(database: Database, queue: Jobs) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        jobs.add(session, "sum", {})
        raise RuntimeError
    assert queue.counts() == {}
    want(database)
    assert queue.counts() == {("sum", "queued"): 1}


def test_a_key_makes_a_job_unique_also_when_many_want_it_at_once(database: Database, queue: Jobs) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: want(database, key="prizes:7"), range(16)))
    assert len(made) == 1
    assert queue.counts() == {("sum", "queued"): 1}
    assert len({want(database), want(database)}) == 2


def test_two_workers_never_get_one_job(database: Database, queue: Jobs) -> None:
    wanted = {want(database) for _ in range(60)}

    def take(holder: str) -> list[str]:
        mine: list[str] = []
        while taken := queue.take(holder, {"sum": 4}, LEASE):
            mine += [run.id for run in taken]
        return mine

    with ThreadPoolExecutor(6) as pool:
        shares = list(pool.map(take, "abcdef"))
    everything = [job for share in shares for job in share]
    assert len(everything) == len(wanted)
    assert set(everything) == wanted


def test_no_user_gets_more_than_their_share(
    database: Database, queue: Jobs, user: SignedIn, other: SignedIn, admin: SignedIn
) -> None:
    greedy = [want(database, user_id=user.id) for _ in range(20)]
    theirs = [want(database, user_id=other.id) for _ in range(3)]
    first = queue.take("a", {"sum": 8}, LEASE)
    assert sorted(run.id for run in first) == sorted(greedy[:2] + theirs[:2])
    assert queue.take("b", {"sum": 8}, LEASE) == []
    queue.succeed(next(run for run in first if run.id == greedy[0]))
    late = want(database, user_id=admin.id)
    assert [run.id for run in queue.take("b", {"sum": 1}, LEASE)] == [late]  # who has nothing is first
    assert [run.id for run in queue.take("b", {"sum": 8}, LEASE)] == [greedy[2]]
    lapse(database, greedy[1])  # its worker is gone: it is waiting again, and the first in the row
    assert [run.id for run in queue.take("b", {"sum": 8}, LEASE)] == [greedy[1]]
    elsewhere = want(database, "product", user_id=user.id)
    assert [run.id for run in queue.take("a", {"sum": 8, "product": 8}, LEASE)] == [elsewhere]


def test_workers_that_take_at_once_keep_to_the_share(database: Database, queue: Jobs, user: SignedIn) -> None:
    for _ in range(40):
        want(database, user_id=user.id)
    with ThreadPoolExecutor(6) as pool:
        shares = list(pool.map(lambda holder: queue.take(holder, {"sum": 8}, LEASE), "abcdef"))
    assert sum(map(len, shares)) == jobs.MOST_OF_A_USER


def test_a_job_waits_for_its_moment_and_for_its_lease(database: Database, queue: Jobs) -> None:
    later = want(database, run_at=clock.now() + timedelta(hours=1))
    now = want(database)
    assert [run.id for run in queue.take("a", {"sum": 9}, LEASE)] == [now]
    assert queue.take("b", {"sum": 9}, LEASE) == []
    lapse(database, now)
    [again] = queue.take("b", {"sum": 9}, LEASE)
    assert (again.id, again.attempt, again.holder) == (now, 2, "b")
    assert row_of(database, later).attempts == 0


def test_who_lost_a_lease_changes_nothing_any_more(database: Database, queue: Jobs) -> None:
    job_id = want(database)
    [slow] = queue.take("a", {"sum": 1}, LEASE)
    lapse(database, job_id)
    [fast] = queue.take("b", {"sum": 1}, LEASE)
    queue.succeed(slow)
    queue.renew([slow, fast], LEASE)
    assert (slow.ended.is_set(), fast.ended.is_set()) == (True, False)
    with pytest.raises(Interrupted), database.write() as session:
        slow.hold(session)
    with database.write() as session:
        fast.hold(session)
    assert row_of(database, job_id).state == "running"
    queue.succeed(fast)
    assert row_of(database, job_id).state == "succeeded"


def test_a_job_that_ends_its_workers_is_given_up(database: Database, queue: Jobs) -> None:
    job_id = want(database)
    queue.take("a", {"sum": 1}, LEASE)
    lapse(database, job_id, attempts=MOST_STARTS)
    assert queue.take("b", {"sum": 1}, LEASE) == []
    assert row_of(database, job_id).state == "failed"


def test_errors_are_tried_again_later_and_not_for_ever(database: Database, start: Start) -> None:
    tried: list[int] = []

    def refuse(run: Run) -> None:
        tried.append(run.attempt)
        raise Refused("Not today.", code="not_today")

    job_id = want(database)
    start({"sum": Handler(call=refuse, attempts=3, first_delay=0.01)})
    until(lambda: row_of(database, job_id).state == "failed")
    assert (tried, row_of(database, job_id).error) == ([1, 2, 3], "not_today: Not today.")
    handler = Handler(call=refuse, first_delay=2.0, longest_delay=30.0)
    assert [handler.delay(n).total_seconds() for n in (1, 2, 3, 9, 5000)] == [2, 4, 8, 30, 30]


def test_the_next_worker_of_a_place_begins_at_once_what_the_last_one_was_at(database: Database, start: Start) -> None:
    job_id = want(database)
    Jobs(database).take("a", {"sum": 1}, timedelta(hours=1))  # and then it is killed
    done: list[str] = []
    handlers = {"sum": Handler(call=lambda run: done.append(run.id))}
    start(handlers, holder="b")
    start(handlers, holder="a")
    until(lambda: row_of(database, job_id).state == "succeeded", 30)
    assert done == [job_id]


def test_a_stop_gives_back_what_is_at_work(database: Database, start: Start) -> None:
    begun = threading.Event()

    def wait(run: Run) -> None:
        begun.set()
        run.ended.wait(60)
        run.check()

    job_id = want(database)
    worker = start({"sum": Handler(call=wait)})
    assert begun.wait(60)
    worker.stop()
    until(lambda: row_of(database, job_id).state == "queued")
    assert row_of(database, job_id).attempts == 0
    until(lambda: not Leases(database).is_a_worker_alive())


def test_too_long_a_job_is_interrupted_and_so_is_a_canceled_one(database: Database, start: Start) -> None:
    begun: list[str] = []

    def wait(run: Run) -> None:
        begun.append(run.id)
        run.ended.wait(60)
        run.check()

    late, unwanted = want(database, "late"), want(database, "unwanted")
    lease = timedelta(seconds=5)
    handlers = {"late": Handler(call=wait, seconds=0.3, attempts=1), "unwanted": Handler(call=wait)}
    start(handlers, lease=lease)
    until(lambda: set(begun) == {late, unwanted})
    with database.write() as session:
        assert jobs.cancel(session, unwanted)
        assert not jobs.cancel(session, "nothing")
    until(lambda: row_of(database, late).state == "failed")
    assert "longer than 0.3 seconds" in row_of(database, late).error
    until(lambda: row_of(database, unwanted).state == "canceled")
    assert len(begun) == 2


def test_kinds_have_room_of_their_own(database: Database, start: Start) -> None:
    gate, most, now = threading.Event(), [0], [0]
    lock = threading.Lock()

    def slow(_run: Run) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        gate.wait(60)
        with lock:
            now[0] -= 1

    wanted = [want(database, "slow") for _ in range(5)]
    quick = want(database, "quick")
    start({"slow": Handler(call=slow, at_once=2), "quick": Handler(call=lambda _run: None)})
    until(lambda: row_of(database, quick).state == "succeeded")
    until(lambda: now[0] == 2)
    gate.set()
    until(lambda: all(row_of(database, each).state == "succeeded" for each in wanted))
    assert most == [2]


def test_one_worker_alone_keeps_the_schedule_and_another_takes_it_over(database: Database, start: Start) -> None:
    calls: list[tuple[str, datetime]] = []

    def every(name: str) -> Every:
        return Every(name=name, seconds=0.1, call=lambda: calls.append((name, clock.now())))

    lease = timedelta(seconds=10)  # a busy machine renews it in time
    first = start({}, every("a"), holder="a", lease=lease)
    until(lambda: len(calls) >= 3)
    start({}, every("b"), holder="b", lease=lease)
    before = len(calls)
    until(lambda: len(calls) >= before + 3)
    assert {name for name, _ in calls} == {"a"}
    first.stop()
    until(lambda: "b" in {name for name, _ in calls}, 30)


def test_what_goes_wrong_on_the_schedule_is_done_again(database: Database, start: Start) -> None:
    count = [0]

    def fail() -> None:
        count[0] += 1
        raise RuntimeError("no luck")

    start({}, Every(name="failing", seconds=0.05, call=fail))
    until(lambda: count[0] >= 3)


def test_jobs_that_have_been_over_for_long_are_forgotten(database: Database, queue: Jobs) -> None:
    want(database)
    [run] = queue.take("a", {"sum": 1}, LEASE)
    queue.succeed(run)
    queue.forget()
    assert queue.counts() == {("sum", "succeeded"): 1}
    with database.write() as session:
        session.execute(update(Job).values(finished_at=clock.now() - jobs.KEEP - timedelta(days=1)))
    want(database)
    queue.forget()
    assert queue.counts() == {("sum", "queued"): 1}
