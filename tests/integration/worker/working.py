"""Do the jobs of a test, one round at a time."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

import models
from models import Database
from services import WorkerServices
from utils import clock
from utils.errors import TradingError
from worker.handlers import handlers

LEASE = timedelta(seconds=30)


def work(worker: WorkerServices) -> int:
    """Do what jobs there are, and return how many there were; what fails waits to be tried again."""
    table = handlers(worker)
    taken = worker.jobs.take("tests", dict.fromkeys(table, 100), LEASE)
    for run in taken:
        try:
            table[run.kind].call(run)
        except TradingError as error:
            worker.jobs.fail(run, table[run.kind], error.detail)
        else:
            worker.jobs.succeed(run)
    return len(taken)


def hurry(database: Database) -> None:
    """Let the time come of all that waits."""
    with database.write() as session:
        session.execute(update(models.Job).where(models.Job.state == "queued").values(run_at=clock.now()))
