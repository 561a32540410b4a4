"""Candles of one's own: uploaded, held against what candles can be, kept within bounds, and played."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

import models
from config import Settings
from models import Database
from services.data_files import service
from tests.books import rows
from tests.factories import SignedIn, services_of, with_key
from tests.problems import assert_problem
from tests.unit.test_octobot_files import SHIPPED

DATA = "/api/backtesting/data"
HOUR = 3600
FIRST = 1_700_000_000 // HOUR * HOUR
HEADER = "timestamp,open,high,low,close,volume"


def lines(count: int = 30) -> list[str]:
    """Return candles that go up and down."""
    made = [HEADER]
    for number in range(count):
        price = 100 + number % 7
        made.append(f"{FIRST + number * HOUR},{price},{price + 2}.5,{price - 2}.25,{price + 1},{number}.5")
    return made


def csv(count: int = 30) -> bytes:
    return "\n".join(lines(count)).encode()


def send(
    client: FlaskClient, user: SignedIn, content: bytes, *, kind: str = "text/csv", key: str = "", **query: str
) -> Any:
    headers = {**user.headers, **({"Idempotency-Key": key} if key else {})}
    return client.post(DATA, data=content, content_type=kind, headers=headers, query_string=query)


def upload(client: FlaskClient, user: SignedIn, content: bytes = b"", **query: str) -> Any:
    answer = send(client, user, content or csv(), **{"symbol": "FOO/USDT", **query})
    assert answer.status_code == 201, answer.get_data(as_text=True)
    return answer.get_json()["data"]


def kept(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.candle_dir.glob("*"))


def test_csv_is_kept_under_a_name_of_our_own(
    client: FlaskClient, user: SignedIn, settings: Settings, database: Database
) -> None:
    file = upload(client, user, name="my (1) file.csv")
    begins, ends = (datetime.fromtimestamp(FIRST + hours * HOUR, UTC).isoformat() for hours in (0, 30))
    [series] = file["series"]
    assert series == {
        "symbol": "FOO/USDT",
        "timeframe": "1h",
        "candles": 30,
        "missing": 0,
        "from": begins.replace("+00:00", "Z"),
        "to": ends.replace("+00:00", "Z"),
    }
    assert (file["name"], file["format"], file["left_out"]) == ("my (1) file.csv", "csv", [])
    [path] = settings.candle_dir.iterdir()
    assert path.name == f"{file['id']}-0.csv"
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (file["size"], 0o600)
    assert path.read_text().split("\n")[1] == f"{FIRST},100,102.5,98.25,101,0.5"
    assert client.get(DATA, headers=user.headers).get_json()["data"] == [file]
    assert client.get(f"{DATA}/{file['id']}", headers=user.headers).get_json()["data"] == file
    assert client.delete(f"{DATA}/{file['id']}", headers=user.headers).get_json()["data"] == file
    assert kept(settings) == []
    assert client.get(f"{DATA}/{file['id']}", headers=user.headers).status_code == 404
    audited = [row.action for row in rows(database, models.AuditEntry) if row.target == file["id"]]
    assert audited == ["data_file.added", "data_file.deleted"]


def changed(number: int, line: str | None) -> bytes:
    made = lines()
    if line is None:
        del made[number]
    else:
        made[number] = line
    return "\n".join(made).encode()


def at(hours: int, rest: str = "100,102,98,101,1") -> str:
    return f"{FIRST + hours * HOUR},{rest}"


REFUSED = [
    (b"", "header"),
    (b"{}", "header"),
    (b"\x00" * 100, "NUL|header"),
    (csv().replace(b"open", b"opening", 1), ":1: the header"),
    (csv(1), "at least two"),
    (changed(5, at(3)), ":6: the row is not later"),
    (changed(5, at(2)), ":6: the row is not later"),
    (changed(5, f"{FIRST + 4 * HOUR + 60},100,102,98,101,1"), "candles of|after the row before"),
    ("\n".join([*lines(10), at(99), at(100)]).encode(), "too many gaps"),
    (changed(5, at(4, "100,102,98,101")), ":6: 5 columns"),
    (changed(5, at(4, "100,102,98,101,nan")), ":6: a value is not finite"),
    (changed(5, at(4, "100,inf,98,101,1")), ":6: a value is not finite"),
    (changed(5, at(4, "100,1e99,98,101,1")), "beyond 18 digits"),
    (changed(5, at(4, "1_00,102,98,101,1")), ":6: not a number"),
    (changed(5, at(4, "１００,102,98,101,1")), ":6: not a number"),  # noqa: RUF001
    (changed(5, at(4, "100,102,98,101,-1")), ":6: the volume is negative"),
    (changed(5, at(4, "100,102,101,101,1")), ":6: open and close must lie"),
    (changed(5, at(4, "100,102,0,101,1")), ":6: open and close must lie"),
    (changed(5, "=cmd(),100,102,98,101,1"), ":6: not a number"),
    (csv() + b"\n\xff\xfe", "columns"),
    (b"SQLite format 3\x00" + b"x" * 5000, "damaged|not a database"),
]


def test_what_is_no_candles_is_refused_by_line_and_nothing_is_kept(
    client: FlaskClient, user: SignedIn, settings: Settings, database: Database
) -> None:
    for content, told in REFUSED:
        answer = send(client, user, content, symbol="FOO/USDT", name="mine")
        assert_problem(answer, 422, "invalid_candles")
        assert re.search(told, answer.get_json()["detail"]), answer.get_json()["detail"]
        assert str(settings.data_dir) not in answer.get_data(as_text=True)
        assert kept(settings) == []
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(models.DataFile)).scalar_one() == 0


def test_a_few_missing_candles_are_told(client: FlaskClient, user: SignedIn) -> None:
    [series] = upload(client, user, changed(5, None))["series"]
    assert (series["candles"], series["missing"]) == (29, 1)


def test_what_the_query_says_must_fit(client: FlaskClient, user: SignedIn) -> None:
    for query, code in (
        ({}, "required"),
        ({"symbol": "FOO/USDT", "timeframe": "4h"}, "no_candles"),
        ({"symbol": "FOO/USDT", "timeframe": "1w"}, "invalid"),
        ({"symbol": "x"}, "invalid_symbol"),
        ({"symbol": "FOO/USDT", "name": "../x"}, "invalid"),
        ({"symbol": "FOO/USDT", "nmae": "x"}, "unknown_field"),
    ):
        answer = send(client, user, csv(), **query)
        assert answer.status_code == 422
        assert [each["code"] for each in answer.get_json()["errors"]] == [code], query
    for kind in ("application/json", "multipart/form-data", ""):
        assert_problem(send(client, user, csv(), kind=kind, symbol="FOO/USDT"), 415, "unsupported_media_type")


def test_an_octobot_file_is_several_series(client: FlaskClient, user: SignedIn, settings: Settings) -> None:
    content = SHIPPED[0].read_bytes()
    answer = send(client, user, content, kind="application/octet-stream", name="shipped.data")
    file = answer.get_json()["data"]
    assert (file["format"], file["left_out"]) == ("octobot", ["1M", "1w", "3d", "8h"])
    assert len(kept(settings)) == len(file["series"]) >= 8


def test_there_are_bounds(
    client: FlaskClient, user: SignedIn, other: SignedIn, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = send(client, user, b"x" * (service.MOST_BYTES + 1), symbol="FOO/USDT")
    assert_problem(large, 413, "body_too_large")
    assert str(service.MOST_BYTES) in large.get_json()["detail"]
    monkeypatch.setattr(service, "MOST_FILES", 2)
    first = upload(client, user)
    upload(client, user)
    assert_problem(send(client, user, csv(), symbol="FOO/USDT"), 409, "too_many_data_files")
    upload(client, other)
    assert len(kept(settings)) == 3
    client.delete(f"{DATA}/{first['id']}", headers=user.headers)
    monkeypatch.setattr(service, "MOST_KEPT_BYTES", first["size"] * 2 - 1)
    assert_problem(send(client, user, csv(), symbol="FOO/USDT"), 409, "too_many_data_files")
    assert len(kept(settings)) == 2


def test_a_key_keeps_one(client: FlaskClient, user: SignedIn, settings: Settings) -> None:
    first, again = (send(client, user, csv(), key="once", symbol="FOO/USDT").get_json()["data"] for _ in range(2))
    assert first == again
    assert kept(settings) == [f"{first['id']}-0.csv"]
    reused = send(client, user, csv(20), key="once", symbol="FOO/USDT")
    assert_problem(reused, 422, "idempotency_key_reused")
    assert kept(settings) == [f"{first['id']}-0.csv"]


def test_it_is_nobody_elses(
    app: Flask, client: FlaskClient, user: SignedIn, other: SignedIn, settings: Settings
) -> None:
    file = upload(client, user)
    for method in ("GET", "DELETE"):
        answer = client.open(f"{DATA}/{file['id']}", method=method, headers=other.headers)
        assert_problem(answer, 404, "data_file_not_found")
    assert client.get(DATA, headers=other.headers).get_json()["data"] == []
    reader = with_key(app, user, "read")
    assert client.post(DATA, data=csv(), content_type="text/csv", headers=reader).status_code == 403
    assert len(kept(settings)) == 1


def test_forgotten_files_are_deleted_after_a_while(
    app: Flask, client: FlaskClient, user: SignedIn, settings: Settings
) -> None:
    file = upload(client, user)
    old = time.time() - 7200
    for name, age in (("01-0.csv", old), (".upload-x", old), ("02-0.csv", time.time())):
        path: Path = settings.candle_dir / name
        path.touch()
        os.utime(path, (age, age))
    mine = settings.candle_dir / f"{file['id']}-0.csv"
    os.utime(mine, (old, old))
    services_of(app).data_files.forget()
    assert kept(settings) == sorted(["02-0.csv", mine.name])
