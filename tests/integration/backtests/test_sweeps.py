"""Sweeps: every combination is played as a run of its own would be, once, and ranked."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

import models
from config import Settings
from engine.backtests.__main__ import play_run, play_sweep
from engine.backtests.candles import read
from engine.backtests.claim import Lost, Wanted
from engine.backtests.run import Backtest
from engine.backtests.sweep import SweepClaim, play_all
from engine.demo.recording import Recording
from models import Database
from services.backtests import sweeps
from services.backtests.sweeps import Sweeps
from services.jobs import Jobs, Run
from tests.books import rows
from tests.engine_host import EngineHost
from tests.factories import SignedIn, services_of, sign_in
from tests.integration.backtests.test_data_files import csv, upload
from tests.integration.backtests.test_runs import environment  # noqa: F401 - a fixture
from tests.problems import assert_problem
from utils.errors import Refused
from utils.octobot_bridge import OctoBotBridge, UnixTransport
from worker.backtests import sweep_handler

SWEEPS = "/api/backtesting/sweeps"
RUNS = "/api/backtesting/runs"
CROSSOVER: dict[str, Any] = {
    "strategy_class": "crossover",
    "symbols": ["FOO/USDT"],
    "timeframe": "1h",
    "starting_portfolio": {"USDT": "1000"},
}
GRID = {"fast": [2, 3, 5], "slow": [3, 5]}


@pytest.fixture
def bridge(host: EngineHost, engine_bridge: OctoBotBridge) -> OctoBotBridge:
    host.tick()
    return engine_bridge


@pytest.fixture
def file(client: FlaskClient, user: SignedIn) -> str:
    """Forty candles of the user's own."""
    return str(upload(client, user, csv(40))["id"])


def start(client: FlaskClient, user: SignedIn, file: str, status: int = 202, **fields: Any) -> Any:
    body = {**CROSSOVER, "data_file": file, "grid": GRID, **fields}
    answer = client.post(SWEEPS, json=body, headers=user.headers)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_json().get("data") or answer.get_json()


def get(client: FlaskClient, user: SignedIn, sweep_id: str) -> Any:
    return client.get(f"{SWEEPS}/{sweep_id}", headers=user.headers).get_json()["data"]


def results(client: FlaskClient, user: SignedIn, sweep_id: str, **query: str) -> list[Any]:
    answer = client.get(f"{SWEEPS}/{sweep_id}/results", headers=user.headers, query_string=query)
    found: list[Any] = answer.get_json()["data"]
    return found


def take(database: Database) -> Run:
    (run,) = Jobs(database).take("tests", {Sweeps.KIND: 1}, timedelta(minutes=1))
    return run


def test_each_combination_gives_what_a_run_of_its_own_gives(
    client: FlaskClient, user: SignedIn, settings: Settings, database: Database, file: str
) -> None:
    sweep = start(client, user, file)
    # fast must be less than slow: three of six cannot be played
    assert (sweep["state"], sweep["count"], sweep["done"], sweep["grid"]) == ("queued", 6, 3, GRID)
    play_sweep(settings, database, sweep["id"])
    done = get(client, user, sweep["id"])
    assert (done["state"], done["done"], done["error"]) == ("succeeded", 6, None)
    table = results(client, user, sweep["id"])
    played = [each for each in table if each["figures"]]
    assert [each["varied"] for each in sorted(played, key=lambda each: each["number"])] == [
        {"fast": 2, "slow": 3},
        {"fast": 2, "slow": 5},
        {"fast": 3, "slow": 5},
    ]
    assert [each["rank"] for each in table] == [1, 2, 3, None, None, None]
    assert {each["error_code"] for each in table[3:]} == {"invalid_settings"}
    assert all("fast" in each["error"] for each in table[3:])
    assert all(each["settings"] == each["varied"] for each in table[3:])
    for each in played:
        body = {**CROSSOVER, "data_file": file, "settings": each["settings"]}
        run = client.post(RUNS, json=body, headers=user.headers).get_json()["data"]
        play_run(settings, database, run["id"])
        report = client.get(f"{RUNS}/{run['id']}/report", headers=user.headers).get_json()["data"]
        same = {name: report[name] for name in each["figures"] if name != "trades"}
        assert each["figures"] == {**same, "trades": len(report["trades"])}
    assert len({str(each["figures"]) for each in played}) == 3
    profits = [Decimal(each["figures"]["strategy"]["profit_percent"]) for each in played]
    assert profits == sorted(profits, reverse=True)
    by_fees = [Decimal(each["figures"]["fees"]) for each in results(client, user, sweep["id"], rank_by="fees")[:3]]
    assert by_fees == sorted(by_fees)
    assert by_fees[0] < by_fees[2]


class Killed(BaseException):
    """Stands for the end of a process."""


def candles_of(settings: Settings) -> Callable[[Wanted], tuple[Backtest, list[Recording]]]:
    """Return what reads the candles, and is killed at the third combination."""
    bridge, count = OctoBotBridge(UnixTransport(settings.engine_socket), timeout=30), itertools.count(1)

    def read_twice(wanted: Wanted) -> tuple[Backtest, list[Recording]]:
        if next(count) > 2:
            raise Killed
        return read(bridge, wanted, settings.candle_dir)

    return read_twice


def test_what_was_played_stays_when_the_process_is_killed_and_nothing_is_played_twice(
    app: Flask,
    client: FlaskClient,
    user: SignedIn,
    settings: Settings,
    database: Database,
    file: str,
    environment: None,  # noqa: F811
) -> None:
    sweep = start(client, user, file, strategy_class="dca", grid={"every": [1, 2, 3, 4]})
    claim, read = SweepClaim(database, sweep["id"]), candles_of(settings)
    with pytest.raises(Killed):
        play_all(claim, read, ())
    before = get(client, user, sweep["id"])
    assert (before["state"], before["done"]) == ("running", 2)
    kept = [each for each in results(client, user, sweep["id"]) if each["figures"]]
    sweep_handler(services_of(app).sweeps).call(take(database))
    done = get(client, user, sweep["id"])
    assert (done["state"], done["done"]) == ("succeeded", 4)
    table = {each["number"]: each["figures"] for each in results(client, user, sweep["id"])}
    assert all(table[each["number"]] == each["figures"] for each in kept)
    assert all(table.values())


def test_a_sweep_is_canceled_and_then_deleted(
    client: FlaskClient, user: SignedIn, settings: Settings, database: Database, file: str
) -> None:
    sweep = start(client, user, file)
    assert_problem(client.delete(f"/api/backtesting/data/{file}", headers=user.headers), 409, "data_file_in_use")
    claim = SweepClaim(database, sweep["id"])
    overtaken = claim.points[0]
    claim.end_point(overtaken, None, Refused("It did not do.", code="did_not_do"))
    path = f"{SWEEPS}/{sweep['id']}"
    assert client.delete(path, headers=user.headers).get_json()["data"]["state"] == "canceled"
    with pytest.raises(Lost):
        claim.check(1, 2)
    with pytest.raises(Lost):
        claim.end_point(claim.points[1], None, Refused("Too late."))
    with pytest.raises(Lost):
        play_sweep(settings, database, sweep["id"])
    told = {each["number"]: each["error_code"] for each in results(client, user, sweep["id"])}
    assert told[overtaken.number] == "did_not_do"
    assert Jobs(database).take("tests", {Sweeps.KIND: 1}, timedelta(minutes=1)) == []
    assert client.delete(path, headers=user.headers).status_code == 200
    assert client.get(path, headers=user.headers).status_code == 404
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(models.SweepPoint)).scalar_one() == 0
    audited = [row.action for row in rows(database, models.AuditEntry) if row.target == sweep["id"]]
    assert audited == ["sweep.started", "sweep.canceled", "sweep.deleted"]


def test_who_was_overtaken_writes_nothing(client: FlaskClient, user: SignedIn, database: Database, file: str) -> None:
    sweep = start(client, user, file)
    slow, fast = SweepClaim(database, sweep["id"]), SweepClaim(database, sweep["id"])
    fast.end_point(fast.points[0], None, Refused("No."))
    with pytest.raises(Lost):
        slow.end_point(slow.points[0], None, Refused("Too late."))
    assert len(SweepClaim(database, sweep["id"]).points) == 2
    assert get(client, user, sweep["id"])["done"] == 4


def test_others_see_nothing(app: Flask, client: FlaskClient, user: SignedIn, database: Database, file: str) -> None:
    sweep, other = start(client, user, file), sign_in(app, database)
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/results")):
        answer = client.open(f"{SWEEPS}/{sweep['id']}{path}", method=method, headers=other.headers)
        assert_problem(answer, 404, "sweep_not_found")
    assert client.get(SWEEPS, headers=other.headers).get_json()["data"] == []
    assert [each["id"] for each in client.get(SWEEPS, headers=user.headers).get_json()["data"]] == [sweep["id"]]


def test_what_cannot_be_played_changes_nothing(
    client: FlaskClient, user: SignedIn, database: Database, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "MOST_PLAYED", 6 * 40 - 1)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"grid": {}}, "invalid"),
        ({"grid": {"fast": []}}, "invalid"),
        ({"grid": {"fast": [9], "slow": [5, 6]}}, "invalid_settings"),
        ({"grid": {"no_such_setting": [1]}}, "invalid_settings"),
        ({"grid": {"fast": ["x" * 201], "slow": [5]}}, "too_long"),
        ({"grid": {"fast": [2], "slow": [5, [["x" * 200] * 21]]}}, "too_long"),
        ({"grid": {"fast": [["x" * 4000]] * 17, "slow": [5]}}, "too_long"),
        ({"grid": GRID, "settings": {"x": "x" * 201}}, "too_long"),
        ({"grid": GRID, "settings": {f"x{number}": ["x" * 4000] for number in range(5)}}, "too_long"),
        ({"grid": {"fast": list(range(2, 20)), "slow": list(range(20, 40))}}, "too_many_combinations"),
        ({"grid": GRID}, "too_many_candles"),
        ({"strategy_class": "perpetuum"}, "unknown_strategy_class"),
    ]
    for fields, code in cases:
        answer = start(client, user, file, 422, **fields)
        assert code in {answer["error_code"], *(each["code"] for each in answer["errors"])}, (fields, answer)
    with database.read() as connection:
        for table in (models.BacktestSweep, models.SweepPoint, models.Job):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_what_is_refused_keeps_what_was_varied_alone(
    client: FlaskClient, user: SignedIn, database: Database, file: str
) -> None:
    # what all combinations have in common is repeated for those that can be played alone
    sweep = start(client, user, file, grid={"fast": [9, 2], "slow": [5]}, settings={"share_percent": "25"})
    with database.read() as connection:
        query = select(models.SweepPoint.settings).where(models.SweepPoint.sweep_id == sweep["id"])
        refused, played = connection.execute(query.order_by(models.SweepPoint.number)).scalars()
    assert refused == '{"fast":9,"slow":5}'
    assert '"share_percent":"25"' in played


def test_there_are_bounds_and_a_key_starts_one(client: FlaskClient, user: SignedIn, file: str) -> None:
    body, headers = {**CROSSOVER, "data_file": file, "grid": GRID}, {**user.headers, "Idempotency-Key": "once"}
    first, again = (client.post(SWEEPS, json=body, headers=headers).get_json()["data"] for _ in range(2))
    assert first == again
    for _ in range(Sweeps.MOST_OPEN - 1):
        start(client, user, file)
    assert start(client, user, file, 409)["error_code"] == "too_many_sweeps"
    client.delete(f"{SWEEPS}/{first['id']}", headers=user.headers)
    start(client, user, file)
