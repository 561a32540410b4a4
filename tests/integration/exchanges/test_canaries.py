"""Secrets that must turn up nowhere, in no spelling: database, WAL, files, logs at every level, answers."""

from __future__ import annotations

import base64
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

import models
from app import create_app
from config import Settings
from engine.exchanges import verification
from models import Base, Database
from services.operations.rotation import Rotation
from tests.engine_host import EngineHost
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.faults import Fault
from tests.factories import SignedIn
from tests.manual_market import ManualMarket
from tests.settings import ENCRYPTION_KEYS
from utils import logs
from utils.octobot_bridge import OctoBotBridge, UnixTransport
from utils.vault import Vault

KEY = "canaryKeyOfTheUser-pQ8vR2xT7wY4zB6n"
SECRET = 'canary/secret+of="the\\user"&%?~ pQ8vR2xT7wY4'
PASSWORD = "canäry passphrase/of+the user"
SECOND = ("canaryKeyOfTheUser-2-kL5mN9jH3gF7dS1a", "canary/second+secret=of&the user")
NEW_KEY = f"k2:{ENCRYPTION_KEYS[:2:-1]}"
CANARIES = (KEY, SECRET, PASSWORD, *SECOND, ENCRYPTION_KEYS.partition(":")[2], NEW_KEY.partition(":")[2])


def spellings(secret: str) -> Iterator[bytes]:
    """Yield what `secret` looks like raw, in base64 (at each of the three offsets), hex, URLs and JSON."""
    raw = secret.encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            # the characters at both ends depend on what is around
            yield encode(b"\0" * offset + raw)[4:-4].rstrip(b"=")
    yield from (raw, raw.hex().encode(), raw.hex().upper().encode())
    for text in (quote(secret, safe=""), quote_plus(secret), quote(secret), json.dumps(secret)[1:-1]):
        yield text.encode()
    yield json.dumps(secret, ensure_ascii=False)[1:-1].encode()
    yield repr(secret)[1:-1].encode()


FORBIDDEN = {spelling: secret for secret in CANARIES for spelling in spellings(secret)}


def found(place: str, content: bytes) -> list[str]:
    return [f"{secret} as {spelling!r} in {place}" for spelling, secret in FORBIDDEN.items() if spelling in content]


@pytest.fixture
def log(settings: Settings) -> Iterator[StringIO]:
    """Everything that is logged, as an operator who asked for everything would see it."""
    root, stderr = logging.getLogger(), sys.stderr
    handlers, level = root.handlers[:], root.level
    written = sys.stderr = StringIO()
    logs.configure(replace(settings, log_level="DEBUG", secret_key="", encryption_keys=""), "test")
    yield written
    sys.stderr = stderr
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def host(settings: Settings, log: StringIO) -> Iterator[EngineHost]:
    host = EngineHost(settings, ManualMarket())
    host.start()
    yield host
    host.close()


@pytest.fixture
def app(settings: Settings, host: EngineHost, database: Database) -> Flask:
    return create_app(
        settings, bridge=OctoBotBridge(UnixTransport(settings.engine_socket), timeout=30), database=database
    )


def test_the_search_finds_what_is_there() -> None:
    for secret in CANARIES:
        for text in (secret, json.dumps({"k": secret}), f"https://x/?a={quote_plus(secret)}", secret.encode().hex()):
            assert found("here", b"around " + text.encode() + b" it")
        for before in range(3):
            assert found("here", base64.b64encode(b"x" * before + secret.encode() + b"after"))
    assert not found("here", b"canary")


def test_no_secret_leaves(
    client: FlaskClient,
    user: SignedIn,
    admin: SignedIn,
    database: Database,
    exchange: LoopbackBinance,
    log: StringIO,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[bytes] = []

    def call(method: str, path: str, who: SignedIn = user, **options: Any) -> int:
        headers = {**who.headers, "Idempotency-Key": f"key {len(answers) // 2}"}
        answer = client.open(path, method=method, headers=headers, **options)
        answers.append(answer.data + str(answer.headers).encode())
        return answer.status_code

    monkeypatch.setattr(verification, "TIMEOUT_SECONDS", 2.0)
    exchange.add_key(KEY, SECRET)
    body = {"name": "Mine", "exchange": "binance", "api_key": KEY, "api_secret": SECRET, "password": PASSWORD}
    assert [call("POST", "/api/credentials", json=body) for _ in range(2)] == [201, 201]
    for wrong in ({"exchange": SECRET}, {"name": f"{SECRET}\n"}, {KEY: SECRET}, {"password": f"\x01{PASSWORD}"}):
        # what a client puts into the name of a field is told back to it
        code = call("POST", "/api/credentials", json={**body, **wrong})
        assert code == 422
        if KEY in wrong:
            answers.pop()
    call("POST", "/api/credentials", data=json.dumps(body)[:-9], content_type="application/json")
    client.get("/api/credentials", headers=user.headers)
    [stored] = client.get("/api/credentials", headers=user.headers).get_json()["data"]
    path = f"/api/credentials/{stored['id']}"
    assert call("POST", f"{path}/verify") == 200
    for fault in ("refuse", "garbage", "truncated", "limit", "hang", "error"):
        exchange.faults.add(Fault(fault, on="any"))
        assert call("POST", f"{path}/verify") == 502
        exchange.faults.clear()
    assert call("PUT", path, json={"api_key": SECOND[0], "api_secret": SECOND[1]}) == 200
    assert call("POST", f"{path}/verify") == 200  # of which the exchange knows nothing
    assert call("GET", path) == 200
    assert call("GET", "/api/config", who=admin) == 200
    Rotation(database, Vault.of(f"{NEW_KEY},{ENCRYPTION_KEYS}")).run()
    assert call("POST", f"{path}/verify") == 503  # this engine does not have the new key
    with database.write() as session:
        session.execute(update(models.Credential).values(sealed=b"\x01" + b"broken" * 9))
    assert call("POST", f"{path}/verify") == 503

    assert SECOND[0][-4:].encode() in b"".join(answers)
    assert len(log.getvalue()) > 1000
    leaks = found("the log", log.getvalue().encode())
    for number, answer in enumerate(answers):
        leaks += found(f"answer {number}", answer)
    with database.read() as connection:
        for table in Base.metadata.sorted_tables:
            for row in connection.execute(select(table)):
                leaks += found(table.name, repr(row._mapping).encode())
                leaks += found(table.name, b"".join(value for value in row if isinstance(value, bytes)))
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    if database.is_sqlite:
        assert {file.suffix for file in files} >= {".db", ".db-wal"}
    for file in files:
        leaks += found(file.name, file.read_bytes())
    assert leaks == []
