"""`GET /api/logs/`: what processes logged, found by operators and nobody else."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from config import Settings
from tests.factories import SignedIn
from tests.problems import assert_problem
from utils import clock, logs
from utils.log_files import newest


@pytest.fixture(autouse=True)
def _logging(settings: Settings) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure(settings, "engine")
    logging.getLogger("engine.desk").warning("order refused", extra={"order_id": "01J-7", "api_secret": "canary-1"})
    logging.getLogger("enginery").info("another house")
    logs.configure(settings, "streamer")
    logging.getLogger("streaming").error("a client failed", exc_info=RuntimeError("no luck, password=canary-2"))
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def read(client: FlaskClient, admin: SignedIn, **query: Any) -> list[dict[str, Any]]:
    response = client.get("/api/logs/", query_string=query, headers=admin.headers)
    assert response.status_code == 200, response.json
    found: list[dict[str, Any]] = response.get_json()["data"]
    return found


def test_records_of_all_processes_come_newest_first(client: FlaskClient, admin: SignedIn) -> None:
    found = [each for each in read(client, admin) if each["logger"] in {"streaming", "engine.desk", "enginery"}]
    assert [(each["process"], each["logger"]) for each in found] == [
        ("streamer", "streaming"),
        ("engine", "enginery"),
        ("engine", "engine.desk"),
    ]
    assert "RuntimeError: no luck" in found[0]["trace"]
    assert found[2]["fields"] == {"order_id": "01J-7", "api_secret": "***"}
    assert "canary" not in str(found)


@pytest.mark.parametrize(
    ("query", "loggers"),
    [
        ({"level": "ERROR"}, ["streaming"]),
        ({"level": "WARNING"}, ["streaming", "engine.desk"]),
        ({"level": "warning"}, ["streaming", "engine.desk"]),
        ({"logger": "engine"}, ["engine.desk"]),
        ({"search": "REFUSED"}, ["engine.desk"]),
        ({"search": "order_id=01j-7"}, ["engine.desk"]),
        ({"search": "no luck"}, ["streaming"]),
        ({"search": "canary"}, []),
        ({"logger": "engine", "level": "ERROR"}, []),
    ],
)
def test_records_are_found(client: FlaskClient, admin: SignedIn, query: dict[str, str], loggers: list[str]) -> None:
    found = read(client, admin, **query)
    # the requests of this test are logged too
    assert [each["logger"] for each in found if each["logger"] != "access"] == loggers


def test_since_and_limit_narrow_it(client: FlaskClient, admin: SignedIn, settings: Settings) -> None:
    assert read(client, admin, since=(clock.now() + timedelta(hours=1)).isoformat()) == []
    first = read(client, admin, logger="engine")[0]
    assert read(client, admin, logger="engine", since=first["time"]) == [first]
    assert len(read(client, admin, limit=2)) == 2
    newest(settings.log_dir).unlink()
    assert read(client, admin, logger="engine") == []


def test_a_line_that_was_cut_short_is_left_out(client: FlaskClient, admin: SignedIn, settings: Settings) -> None:
    with newest(settings.log_dir).open("ab") as file:
        file.write(b'{"time": "2026-01-01T00:0\n[]\n')
    assert read(client, admin, logger="engine")


@pytest.mark.parametrize("query", ["level=LOUD", "since=yesterday", "limit=0", "limit=1001", "search=", "page=2"])
def test_bad_questions_are_refused(client: FlaskClient, admin: SignedIn, query: str) -> None:
    response = client.get(f"/api/logs/?{query}", headers=admin.headers)
    assert (response.status_code, response.get_json()["error_code"]) == (422, "validation_failed")


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_beyond_the_calendar_is_refused(client: FlaskClient, admin: SignedIn, since: str) -> None:
    response = client.get("/api/logs/", query_string={"since": since}, headers=admin.headers)
    assert_problem(response, 422, "validation_failed")
    assert [each["code"] for each in response.get_json()["errors"]] == ["out_of_range"]


def test_the_calendar_is_all_there_is(client: FlaskClient, admin: SignedIn) -> None:
    assert read(client, admin, since="0001-01-01T00:00:00Z", logger="engine")
    assert read(client, admin, since="9999-12-31T23:59:59Z") == []


def test_it_is_for_admins(client: FlaskClient, user: SignedIn) -> None:
    assert client.get("/api/logs/", headers=user.headers).status_code == 403
    assert client.get("/api/logs/").status_code == 401
