"""Backtests on candles that were uploaded."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from config import Settings
from engine.backtests.__main__ import play_run as play
from models import Database
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.integration.backtests.test_data_files import DATA, FIRST, HOUR, csv, lines, upload
from tests.problems import assert_problem
from utils.octobot_bridge import OctoBotBridge

RUNS = "/api/backtesting/runs"


@pytest.fixture
def bridge(host: EngineHost, engine_bridge: OctoBotBridge) -> OctoBotBridge:
    host.tick()
    return engine_bridge


def start(client: FlaskClient, user: SignedIn, file_id: str | None, **fields: Any) -> Any:
    body: dict[str, Any] = {
        "strategy_class": "dca",
        "symbols": ["FOO/USDT"],
        "timeframe": "1h",
        "settings": {"every": 4, "order_value": "20"},
        "starting_portfolio": {"USDT": "1000"},
    }
    if file_id is not None:
        body["data_file"] = file_id
    return client.post(RUNS, json={**body, **fields}, headers=user.headers)


def test_a_run_plays_an_upload_of_a_market_that_no_exchange_has(
    client: FlaskClient, user: SignedIn, settings: Settings, database: Database
) -> None:
    file = upload(client, user)
    run = start(client, user, file["id"]).get_json()["data"]
    assert (run["data_file"], run["from"], run["to"]) == (
        file["id"],
        file["series"][0]["from"],
        file["series"][0]["to"],
    )
    path = f"{DATA}/{file['id']}"
    assert_problem(client.delete(path, headers=user.headers), 409, "data_file_in_use")
    play(settings, database, run["id"])
    report = client.get(f"{RUNS}/{run['id']}/report", headers=user.headers).get_json()["data"]
    assert (report["candles"], report["run"]["data_file"]) == (30, file["id"])
    # bought when every fourth candle had closed, at the next one's opening
    prices = {line.split(",")[1] for line in lines()[1:]}
    assert len(report["trades"]) >= 5
    assert {Decimal(each["price"]) for each in report["trades"]} <= set(map(Decimal, prices))
    assert report["equity"][-1]["at"] == file["series"][0]["to"]
    assert client.delete(path, headers=user.headers).status_code == 200
    assert client.get(f"{RUNS}/{run['id']}/report", headers=user.headers).status_code == 200


def test_what_the_upload_has_not_is_refused(client: FlaskClient, user: SignedIn) -> None:
    file = upload(client, user)
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"timeframe": "4h"}, 422, "no_candles"),
        ({"symbols": ["BAR/USDT"]}, 422, "no_candles"),
        ({"symbols": ["FOO/EUR"], "starting_portfolio": {"EUR": "1"}}, 422, "no_candles"),
        ({"from": "2030-01-01T00:00:00Z"}, 422, "too_few_candles"),
        ({"exchange": "nowhere"}, 404, "unknown_exchange"),
        ({"data_file": "no-such-file"}, 404, "data_file_not_found"),
    ]
    for fields, status, code in cases:
        assert_problem(start(client, user, file["id"], **fields), status, code)
    assert client.get(RUNS, headers=user.headers).get_json()["data"] == []


def test_an_upload_has_another_name(client: FlaskClient, user: SignedIn) -> None:
    file = upload(client, user)
    run = start(client, user, None, data=file["id"]).get_json()["data"]
    assert run["data_file"] == file["id"]
    assert_problem(start(client, user, file["id"], data=file["id"]), 422, "validation_failed")


def test_an_upload_is_its_owners(client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
    assert_problem(start(client, other, upload(client, user)["id"]), 404, "data_file_not_found")


def test_a_part_of_an_upload_is_played_with_what_came_before_it_in_sight(
    client: FlaskClient, user: SignedIn, settings: Settings, database: Database
) -> None:
    file = upload(client, user, csv(60))
    begin = datetime.fromtimestamp(FIRST + 40 * HOUR, UTC).isoformat()
    crossover = {"strategy_class": "crossover", "settings": {"fast": 2, "slow": 4}, "from": begin}
    run = start(client, user, file["id"], **crossover).get_json()["data"]
    play(settings, database, run["id"])
    report = client.get(f"{RUNS}/{run['id']}/report", headers=user.headers).get_json()["data"]
    assert report["candles"] == 20
    assert report["equity"][0]["at"].startswith(begin[:19])
    assert report["trades"]


def test_a_run_whose_candles_are_gone_fails(
    client: FlaskClient, user: SignedIn, settings: Settings, database: Database
) -> None:
    file = upload(client, user)
    run = start(client, user, file["id"]).get_json()["data"]
    for path in settings.candle_dir.iterdir():
        path.unlink()
    play(settings, database, run["id"])
    failed = client.get(f"{RUNS}/{run['id']}", headers=user.headers).get_json()["data"]
    assert (failed["state"], failed["error_code"]) == ("failed", "data_file_not_found")
    assert str(settings.data_dir) not in failed["error"]
