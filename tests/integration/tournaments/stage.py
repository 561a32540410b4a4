"""A stage for tournaments: an administrator, participants, the schedule, and a clock that goes where it is put."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

import models
from models import Database
from services import WorkerServices
from services.jobs import Handler, Run
from tests.engine_host import EngineHost
from tests.factories import SignedIn, sign_in
from tests.manual_market import ManualMarket
from utils import clock
from worker.handlers import handlers

TOURNAMENTS, ORDERS = "/api/tournaments/", "/api/trading/orders"
BTC, ETH, PERPETUAL = "BTC/USDT", "ETH/USDT", "BTC/USDT:USDT"
LEASE = timedelta(minutes=10)


class Stage:
    """Everything a tournament needs, in one process; nothing happens by itself."""

    def __init__(
        self,
        app: Flask,
        client: FlaskClient,
        database: Database,
        worker: WorkerServices,
        host: EngineHost,
        market: ManualMarket,
    ) -> None:
        self.app, self.client, self.database, self.worker = app, client, database, worker
        self.host, self.market = host, market
        self.admin = sign_in(app, database, role="admin")
        self.shift = timedelta()

    # ------------------------------------------------------------------------------------------------- HTTP

    def call(self, who: SignedIn, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.open(path, method=method, json=body, headers={**who.headers, **headers})

    def ok(self, who: SignedIn, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = self.call(who, method, path, body, **headers)
        assert answer.status_code < 300, answer.get_json()
        return answer.get_json()["data"]

    def body(self, **changes: Any) -> dict[str, Any]:
        """Return a tournament that starts in a minute, for five minutes."""
        now = clock.now()
        times = {"starts_at": stamp(now + timedelta(minutes=1)), "ends_at": stamp(now + timedelta(minutes=6))}
        return {"name": "Cup", "prize_pool": "1000", **times, **changes}

    def create(self, **changes: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.ok(self.admin, "POST", TOURNAMENTS, self.body(**changes))
        return made

    def get(self, tournament: Mapping[str, Any], who: SignedIn | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self.ok(who or self.admin, "GET", f"{TOURNAMENTS}{tournament['id']}")
        return found

    def join(self, who: SignedIn, tournament: Mapping[str, Any], **body: Any) -> str:
        return str(self.ok(who, "POST", f"{TOURNAMENTS}{tournament['id']}/join", body)["account"])

    def admin_move(self, tournament: Mapping[str, Any], verb: str, body: Any = None) -> Any:
        return self.call(self.admin, "POST", f"{TOURNAMENTS}{tournament['id']}/{verb}", body)

    def order(self, who: SignedIn, account: str, **body: Any) -> Any:
        full = {"symbol": BTC, "side": "buy", "amount": "0.01", "account": account, **body}
        return self.call(who, "POST", ORDERS, full)

    def user(self) -> SignedIn:
        return sign_in(self.app, self.database)

    # ------------------------------------------------------------------------------------- time and the worker

    def travel(self, **ahead: float) -> None:
        """Let the whole process, engine included, be so much later."""
        self.shift += timedelta(**ahead)
        clock.go_by(lambda: clock.wall() + self.shift)

    def price(self, symbol: str, price: float) -> None:
        self.market.set_price(symbol, Decimal(str(price)))
        self.host.tick()

    def run_due(self) -> int:
        """Let the schedule do what is due."""
        return self.worker.tournament_schedule.run_due(clock.now())

    def work(self, table: Mapping[str, Handler] | None = None) -> list[str]:
        """Do all jobs that are due, once each, and return the errors."""
        table = table or handlers(self.worker)
        errors: list[str] = []
        jobs = self.worker.jobs
        while taken := jobs.take("stage", dict.fromkeys(table, 8), LEASE):
            for run in taken:
                error = attempt(table[run.kind].call, run)
                if error is None:
                    jobs.succeed(run)
                else:
                    errors.append(error)
                    jobs.fail(run, table[run.kind], error)
        return errors

    def rows(self, table: Any, *conditions: Any) -> list[Any]:
        with self.database.read() as connection:
            query = select(table.__table__).where(*conditions).order_by(*table.__table__.primary_key)
            return list(connection.execute(query))

    def told(self, who: SignedIn, event: str) -> list[dict[str, Any]]:
        """Return what somebody was told of tournaments, over HTTP: one kind of event."""
        found = self.ok(who, "GET", "/api/notifications?limit=100")
        return [each for each in found if each["kind"] == "tournament" and each["payload"]["event"] == event]

    def entry(self, who: SignedIn) -> Any:
        [row] = self.rows(models.Participant, models.Participant.user_id == who.id)
        return row


def attempt(call: Callable[[Run], None], run: Run) -> str | None:
    """Do a job and return what went wrong."""
    try:
        call(run)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def stamp(moment: datetime) -> str:
    """Write a time as clients do."""
    return moment.isoformat().replace("+00:00", "Z")


@contextmanager
def present() -> Iterator[None]:
    """Come back to the present afterwards."""
    try:
        yield
    finally:
        clock.go_by(None)
