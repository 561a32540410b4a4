"""Log lines: their forms, and that no secret gets into one."""

import base64
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from config import Settings
from utils import logs
from utils.log_files import newest

SECRET = '9f8e7d6c5b4a39281706f5e4d3c2b1a0-/+ü"x'
PASSWORD = "p@ss/w:ord ü"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
LOGGER = logging.getLogger("tests.logs")


@pytest.fixture(autouse=True)
def _restore_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)  # the settings below keep their files in `var`
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def settings(**changes: object) -> Settings:
    url = f"postgresql://trading:{quote(PASSWORD, safe='')}@db.example/trading"
    return Settings(secret_key=SECRET, database_url=url, **changes)  # type: ignore[arg-type]


def _fail(error: Exception) -> None:
    raise error


def test_a_text_line_has_utc_time_process_logger_message_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(settings(), "api")
    LOGGER.info("answered", extra={"request_id": "01J", "route": "GET /api/orders", "status": 200, "ms": 1.5})
    line = capsys.readouterr().err
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    api tests\.logs: answered "
        r'request_id=01J route="GET /api/orders" status=200 ms=1\.5\n',
        line,
    ), line


def test_a_json_line_holds_fields_and_trace(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(settings(log_format="json"), "engine")
    try:
        _fail(RuntimeError("no luck\nat all"))
    except RuntimeError:
        LOGGER.exception("failed", extra={"request_id": "01J", "status": 500})
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["process"], line["request_id"], line["status"]) == ("ERROR", "engine", "01J", 500)
    assert "RuntimeError: no luck\nat all" in line["trace"]


def test_a_line_break_cannot_forge_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(settings(), "api")
    LOGGER.warning("unknown user %s", "eve\n2026-01-01T00:00:00.000Z INFO api: all is well")
    assert capsys.readouterr().err.count("\n") == 1


CANARIES = [
    pytest.param(f"Authorization: Bearer {JWT}", "eyJ", id="header"),
    pytest.param(f"{{'Authorization': 'Basic {base64.b64encode(b'me:canary-1').decode()}'}}", "bWU6", id="basic"),
    pytest.param(f"token {JWT} expired", "eyJ", id="jwt"),
    pytest.param("password=canary-1&x=1", "canary", id="form"),
    pytest.param('{"password": "can ary-1", "x": 1}', "ary-1", id="json"),
    pytest.param('{"password": "can\\"ary-1", "x": 1}', "ary-1", id="json with a quote"),
    pytest.param("{'api_secret': 'can ary-1'}", "ary-1", id="repr"),
    pytest.param('body={\\"password\\": \\"can ary-1\\"}', "ary-1", id="json in json"),
    pytest.param("X-API-Key: canary-1", "canary", id="api key"),
    pytest.param("refresh_token=canary-1", "canary", id="refresh token"),
    pytest.param("GET /order?symbol=X&signature=canary-1", "canary", id="signature"),
    pytest.param("Error handling request /api/webhooks/tradingview/canary-1?x=1", "canary", id="key of an alert"),
    pytest.param("redis://:canary-1@host:6379/0", "canary", id="redis url"),
    pytest.param("postgresql+psycopg://me:can@ary-1@host/db", "ary-1", id="database url"),
    *(
        pytest.param(f"value {form} end", form, id=f"{name} {kind}")
        for name, value in (("secret key", SECRET), ("database password", PASSWORD))
        for kind, form in (
            ("raw", value),
            ("url", quote(value, safe="")),
            ("json", json.dumps(value, ensure_ascii=False)[1:-1]),
            ("hex", value.encode().hex()),
            ("base64", base64.b64encode(value.encode()).decode().rstrip("=")),
        )
    ),
]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(("text", "canary"), CANARIES)
def test_no_secret_gets_through(text: str, canary: str, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(settings(log_format=form), "api")
    LOGGER.warning(text)
    LOGGER.warning("args %s %s", text, [text])
    LOGGER.warning("extra", extra={"body": text, "nested": {"list": [text]}})
    try:
        _fail(ValueError(text))
    except ValueError:
        LOGGER.exception("trace")
    output = capsys.readouterr().err + newest(Path("var/logs")).read_text(encoding="utf-8")
    assert output.count("\n") >= 8
    spellings = {canary, json.dumps(canary)[1:-1], json.dumps(canary, ensure_ascii=False)[1:-1]}
    assert [spelling for spelling in spellings if spelling in output] == []


def test_fields_named_like_a_secret_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(settings(), "api")
    LOGGER.info("x", extra={"new_password": "canary-1", "headers": {"cookie": "canary-2", "accept": "any"}})
    output = capsys.readouterr().err
    assert "canary" not in output
    assert "any" in output


def test_ordinary_words_stay(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(settings(), "api")
    LOGGER.info("GET /api/orders?symbol=BTC/USDT 200 http://127.0.0.1:5000/docs keyboard monkey; 3 keys")
    assert MASKLESS in capsys.readouterr().err


MASKLESS = "GET /api/orders?symbol=BTC/USDT 200 http://127.0.0.1:5000/docs keyboard monkey; 3 keys"


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("/x/site-packages/octobot_commons/logging/logging_util.py", 1),
        ("/x/site-packages/ccxt/base/exchange.py", 1),
        ("/home/me/octobot/trading-backend/engine/market.py", 2),
    ],
)
def test_chatter_of_octobot_stays_out_but_not_ours(path: str, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(settings(log_level="DEBUG"), "engine")
    for level in (logging.INFO, logging.WARNING):
        LOGGER.handle(LOGGER.makeRecord("ExchangeManager", level, path, 1, "tick", (), None))
    assert capsys.readouterr().err.count("tick") == lines
