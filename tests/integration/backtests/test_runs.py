"""Backtests over HTTP, in front of the real engine; what plays them is the process that the worker starts."""

from __future__ import annotations

import csv
import io
import signal
import subprocess
import sys
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

import models
from config import Settings
from engine.backtests.claim import Claim, Lost
from models import Database
from services.backtests.backtests import Backtests
from services.jobs import Interrupted, Jobs, Run
from tests.books import rows
from tests.engine_host import EngineHost
from tests.factories import SignedIn, services_of, sign_in
from utils.backtests import Played
from utils.errors import Refused
from utils.octobot_bridge import OctoBotBridge
from worker.backtests import AGAIN, ATTEMPTS, Ended, handler

RUNS = "/api/backtesting/runs"
DCA: dict[str, Any] = {
    "strategy_class": "dca",
    "symbols": ["BTC/USDT"],
    "timeframe": "1h",
    "settings": {"every": 4, "order_value": "20"},
    "starting_portfolio": {"USDT": "2000"},
}


@pytest.fixture
def bridge(host: EngineHost, engine_bridge: OctoBotBridge) -> OctoBotBridge:
    host.tick()
    return engine_bridge


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes that are started find this test's engine and database."""
    monkeypatch.setenv("DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)
    monkeypatch.setenv("ENCRYPTION_KEYS", settings.encryption_keys)


def start(client: FlaskClient, user: SignedIn, status: int = 202, **fields: Any) -> Any:
    answer = client.post(RUNS, json={**DCA, **fields}, headers=user.headers)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_json().get("data") or answer.get_json()


def get(client: FlaskClient, user: SignedIn, run_id: str) -> Any:
    return client.get(f"{RUNS}/{run_id}", headers=user.headers).get_json()["data"]


def take(database: Database) -> Run:
    (run,) = Jobs(database).take("tests", {Backtests.KIND: 1}, timedelta(minutes=1))
    return run


def test_a_run_is_played_and_reported(
    app: Flask, client: FlaskClient, user: SignedIn, database: Database, environment: None
) -> None:
    run = start(client, user)
    assert (run["state"], run["settings"]["timeframe"]) == ("queued", "1h")
    assert client.get(f"{RUNS}/{run['id']}/report", headers=user.headers).get_json()["error_code"] == "backtest_queued"
    handler(services_of(app).backtests).call(take(database))
    done = get(client, user, run["id"])
    assert (done["state"], done["progress"], done["error"]) == ("succeeded", 100, None)
    assert (run["status"], done["status"]) == ("queued", "succeeded")
    path = f"{RUNS}/{run['id']}/report"
    report = client.get(path, headers=user.headers).get_json()["data"]
    assert report["candles"] == 500
    assert len(report["equity"]) == 501
    assert len(report["trades"]) >= 100
    assert report["run"]["from"] == done["from"]
    spent = sum(Decimal(each["cost"]) + Decimal(each["fee"]) for each in report["trades"])
    assert Decimal(report["holdings"].get("USDT", "0")) == 2_000 - spent
    assert Decimal(report["strategy"]["ending_value"]) == Decimal(report["equity"][-1]["value"])
    rows = list(csv.DictReader(io.StringIO(client.get(f"{path}?format=csv", headers=user.headers).text)))
    assert [row["price"] for row in rows] == [each["price"] for each in report["trades"]]
    page = client.get(f"{path}?format=html", headers=user.headers)
    assert "script" not in page.text.lower()
    assert "http" not in page.text.lower()
    assert page.text.count("<svg") == 2
    assert "style-src 'sha256-" in page.headers["Content-Security-Policy"]


def test_others_see_nothing(app: Flask, client: FlaskClient, user: SignedIn, database: Database) -> None:
    run, other = start(client, user), sign_in(app, database)
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/report")):
        answer = client.open(f"{RUNS}/{run['id']}{path}", method=method, headers=other.headers)
        assert (answer.status_code, answer.get_json()["error_code"]) == (404, "backtest_not_found")
    assert client.get(RUNS, headers=other.headers).get_json()["data"] == []
    assert [each["id"] for each in client.get(RUNS, headers=user.headers).get_json()["data"]] == [run["id"]]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"strategy_class": "perpetuum"}, "unknown_strategy_class"),
        ({"settings": {"every": 0}}, "invalid_settings"),
        ({"settings": {"every": 2**64}}, "invalid_settings"),
        ({"to": "0001-01-01T00:00:00Z"}, "too_few_candles"),
        ({"from": "0001-01-01T00:00:00Z", "to": "1970-01-01T01:00:00Z"}, "too_few_candles"),
        ({"starting_portfolio": {"BTC": "1"}}, "no_quote_currency"),
        ({"starting_portfolio": {"USDT": "1", "ETH": "1"}}, "currency_not_traded"),
        ({"timeframe": "1d", "settings": {"timeframe": "1h"}}, "timeframe_too_coarse"),
        ({"from": "2000-01-01T00:00:00Z"}, "too_many_candles"),
        ({"from": "2100-01-01T00:00:00Z"}, "too_few_candles"),
        ({"fee": "0.2"}, "out_of_range"),
    ],
)
def test_what_cannot_be_played_changes_nothing(
    client: FlaskClient, user: SignedIn, database: Database, fields: dict[str, Any], code: str
) -> None:
    answer = start(client, user, 422, **fields)
    assert code in {answer["error_code"], *(each["code"] for each in answer["errors"])}
    with database.read() as connection:
        for table in (models.BacktestRun, models.Job):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_a_key_starts_one_run(client: FlaskClient, user: SignedIn) -> None:
    headers = {**user.headers, "Idempotency-Key": "once"}
    first, again = (client.post(RUNS, json=DCA, headers=headers).get_json()["data"] for _ in range(2))
    assert first == again
    assert len(client.get(RUNS, headers=user.headers).get_json()["data"]) == 1


def test_a_user_waits_for_few_at_a_time(client: FlaskClient, user: SignedIn) -> None:
    runs = [start(client, user) for _ in range(Backtests.MOST_OPEN)]
    assert start(client, user, 409)["error_code"] == "too_many_backtests"
    client.delete(f"{RUNS}/{runs[0]['id']}", headers=user.headers)
    start(client, user)


def test_a_run_is_canceled_and_then_deleted(
    app: Flask, client: FlaskClient, user: SignedIn, database: Database
) -> None:
    run = start(client, user)
    job = take(database)
    claim = Claim(database, run["id"])
    path = f"{RUNS}/{run['id']}"
    assert client.delete(path, headers=user.headers).get_json()["data"]["state"] == "canceled"
    with pytest.raises(Lost):
        claim.progress(1, 2)
    with pytest.raises(Interrupted), database.write() as session:
        job.hold(session)
    handler(services_of(app).backtests).call(job)  # starts no process
    assert client.delete(path, headers=user.headers).status_code == 200
    assert client.get(path, headers=user.headers).status_code == 404
    audited = [row.action for row in rows(database, models.AuditEntry) if row.target == run["id"]]
    assert audited == ["backtest.started", "backtest.canceled", "backtest.deleted"]


def test_who_was_overtaken_writes_nothing(client: FlaskClient, user: SignedIn, database: Database) -> None:
    run = start(client, user)
    slow, fast = Claim(database, run["id"]), Claim(database, run["id"])
    with pytest.raises(Lost):
        slow.succeed(Played(currency="EUR", candles=0, trades=[], curve=[], holdings={}, log=[]))
    fast.fail(Refused("It did not do.", code="did_not_do"))
    with pytest.raises(Lost):
        Claim(database, run["id"])
    ended = get(client, user, run["id"])
    assert (ended["state"], ended["error_code"]) == ("failed", "did_not_do")
    report = client.get(f"{RUNS}/{run['id']}/report", headers=user.headers)
    assert (report.status_code, report.get_json()["error_code"]) == (409, "backtest_failed")


def test_a_killed_run_is_played_again(
    app: Flask, client: FlaskClient, user: SignedIn, database: Database, environment: None
) -> None:
    run = start(client, user)
    command = (sys.executable, "-m", "engine.backtests", run["id"])
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        end = time.monotonic() + 120
        while get(client, user, run["id"])["state"] == "queued" and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert get(client, user, run["id"])["state"] == "running"
    handler(services_of(app).backtests).call(take(database))
    assert get(client, user, run["id"])["state"] == "succeeded"


def test_the_process_ends_with_the_worker(
    client: FlaskClient, user: SignedIn, database: Database, environment: None
) -> None:
    run = start(client, user, timeframe="1m", settings={"every": 1, "order_value": "5"})
    command = (sys.executable, "-m", "engine.backtests", run["id"])
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        end = time.monotonic() + 120
        while get(client, user, run["id"])["state"] == "queued" and time.monotonic() < end:
            time.sleep(0.02)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == AGAIN
    assert get(client, user, run["id"])["state"] == "running"


def test_a_process_that_ends_again_and_again_is_given_up(
    app: Flask, client: FlaskClient, user: SignedIn, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    run = start(client, user)
    play, jobs = handler(services_of(app).backtests), Jobs(database)
    job = take(database)
    with pytest.raises(Ended):
        play.call(job)
    assert get(client, user, run["id"])["state"] == "queued"
    assert jobs.fail(job, play, "exit code 1")
    last = Run(**{**vars(job), "attempt": ATTEMPTS})
    play.call(last)
    ended = get(client, user, run["id"])
    assert (ended["state"], ended["error_code"]) == ("failed", "backtest_crashed")


def pretend(monkeypatch: pytest.MonkeyPatch, program: Path, script: str) -> None:
    """Let `script` play the runs."""
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(program))


def test_an_engine_that_is_away_is_waited_for(
    app: Flask, client: FlaskClient, user: SignedIn, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tries = tmp_path / "tries"
    script = f"echo >> {tries}; test $(wc -l < {tries}) -gt {ATTEMPTS} || exit {AGAIN}; exit 1"
    pretend(monkeypatch, tmp_path / "python", script)
    monkeypatch.setattr("worker.backtests.AGAIN_SECONDS", 0.01)
    run = start(client, user)
    with pytest.raises(Ended, match="exit code 1"):  # the first crash, after all that waiting
        handler(services_of(app).backtests).call(take(database))
    assert get(client, user, run["id"])["state"] == "queued"


def test_one_that_takes_too_long_is_given_up_as_well(
    app: Flask, client: FlaskClient, user: SignedIn, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path / "python", "exec sleep 5")
    monkeypatch.setattr("worker.backtests.PLAY_SECONDS", 0.2)
    run = start(client, user)
    play, jobs = handler(services_of(app).backtests), Jobs(database)
    last = Run(**{**vars(take(database)), "attempt": ATTEMPTS})
    play.call(last)
    assert get(client, user, run["id"])["state"] == "failed"
    # nor does the job end before its run: it may have been the database that was away
    assert play.attempts > ATTEMPTS
    assert jobs.fail(last, play, "the database was away")
