"""The configuration of the operator's bot over HTTP: changed whole or not at all, and never forgotten."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

import models
from config import Settings
from models import Database
from services.bot_config.secrets import OCTOBOT_KEY, REDACTED
from tests.factories import SignedIn, audit_rows
from tests.home_builder import CANARY, add_profile, put
from tests.integration.bot_config.caller import Caller
from tests.problems import assert_problem
from utils.errors import StorageUnavailable
from utils.home import Home

KEYS = {"api-key": f"{CANARY}-key", "api-secret": f"{CANARY}-secret"}
BINANCE = {"exchanges": {"binance": {"enabled": True, **KEYS}}}


def contents(home: Home) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in home.root.rglob("*.json")}


def test_the_configuration_is_octobots_own_view_of_it(call: Caller, home: Home) -> None:
    answer = call("GET", "/api/config")
    bot = answer["bot"]
    assert bot["config"]["profile"] == "default"
    assert bot["config"]["trading"] == {"reference-market": "USDT", "risk": 0.5}
    assert bot["config"]["exchanges"]["demo"]["exchange-type"] == "spot"
    assert call.headers["ETag"] == f'"{bot["version"]}"'
    assert answer["api"]["octobot_home"] == str(home.root)


def test_a_patch_goes_to_the_files_that_octobot_reads(call: Caller, home: Home) -> None:
    patch = {**BINANCE, "trading": {"risk": 0.25}, "notification": {"trades": True}}
    applied = call("PATCH", "/api/config", patch)
    assert home.profile().config["trading"] == {"reference-market": "USDT", "risk": 0.25}
    assert home.profile().config["exchanges"]["binance"] == {"enabled": True}
    assert home.config()["notification"]["trades"] is True
    stored = home.config()["exchanges"]["binance"]
    assert Fernet(OCTOBOT_KEY).decrypt(stored["api-key"]) == KEYS["api-key"].encode()
    assert "trading" not in home.config()
    assert call("GET", "/api/config")["bot"]["version"] == applied["version"]


def test_null_removes_a_member_everywhere(call: Caller, home: Home) -> None:
    call("PATCH", "/api/config", BINANCE)
    applied = call("PATCH", "/api/config", {"exchanges": {"binance": None}})
    assert "binance" not in applied["config"]["exchanges"]
    assert "binance" not in {**home.config()["exchanges"], **home.profile().config["exchanges"]}


def test_nothing_happens_when_all_is_so_already(call: Caller, home: Home, database: Database) -> None:
    before = contents(home)
    applied = call("PATCH", "/api/config", {"trading": {"risk": 0.5}})
    assert (applied["change"], applied["restart_required"]) == (None, False)
    assert contents(home) == before
    assert not [row for row in audit_rows(database) if row[0].startswith("config.")]


WRONG: list[tuple[Any, str, str]] = [
    ({"trading": {"risk": 2}}, "trading.risk", "invalid"),
    ({"trading": {"risk": "high"}}, "trading.risk", "invalid"),
    ({"trading": None}, "", "required"),
    ({"trading": {"reference-market": None}}, "trading", "required"),
    ({"trader-simulator": {"starting-portfolio": {"USDT": -1}}}, "trader-simulator.starting-portfolio.USDT", "invalid"),
    ({"notification": {"trades": 1}}, "notification.trades", "invalid"),
    ({"services": []}, "services", "invalid"),
    ({"exchanges": None}, "", "required"),
    ({"exchanges": {"demo": "on"}}, "exchanges", "invalid"),
    ({"exchanges": []}, "exchanges", "invalid"),
    ({"crypto-currencies": {"Coin": {"pairs": ["A/B", "A/B"]}}}, "crypto-currencies.Coin.pairs", "invalid"),
    ({"profile": "other"}, "profile", "not_here"),
    ({"profile": None}, "profile", "not_here"),
    ({"exchanges": {"demo": {"api-key": 7}}}, "exchanges.demo.api-key", "invalid"),
    ({"exchanges": {"demo": {"api-key": REDACTED}}}, "exchanges.demo.api-key", "redacted_value"),
    ({"services": {"x": {"n": 10**17}}}, "services.x.n", "out_of_range"),
    ({"no-such-member": "x"}, "no-such-member", "unknown_field"),
    ({"trader": {"enabled": True}}, "trader.enabled", "two_traders"),
]  # fmt: skip


def test_a_patch_is_refused_whole(call: Caller, home: Home) -> None:
    before = contents(home)
    for wrong, field, code in WRONG:
        answer = call.raw("PATCH", "/api/config", {"DEBUG": True, "trading": {"risk": 0.1}, **wrong})
        problem = assert_problem(answer, 422, answer.get_json()["error_code"])
        assert (field, code) in [(each["field"], each["code"]) for each in problem["errors"]], wrong
        assert contents(home) == before, wrong
    bodies: list[Any] = [[], "x", 7]
    for body in bodies:
        assert call.raw("PATCH", "/api/config", body).status_code == 422
    assert call("GET", "/api/config/history") == []


def test_what_was_read_can_be_sent_back(call: Caller, home: Home) -> None:
    call("PATCH", "/api/config", BINANCE)
    before = contents(home)
    config = call("GET", "/api/config")["bot"]["config"]
    assert config["exchanges"]["binance"]["api-key"] == REDACTED
    known = {name: value for name, value in config.items() if name != "web"}
    assert call("PATCH", "/api/config", known)["change"] is None
    assert contents(home) == before
    call("PATCH", "/api/config", {**known, "trading": {"risk": 0.3}})
    assert home.config()["exchanges"]["binance"] == json.loads(before[home.config_file])["exchanges"]["binance"]


def test_live_trading_needs_the_operators_leave(call: Caller, home: Home) -> None:
    before = contents(home)
    patch = {"trader": {"enabled": True}, "trader-simulator": {"enabled": False}}
    assert_problem(call.raw("PATCH", "/api/config", patch), 403, "live_trading_disabled")
    assert contents(home) == before


# ------------------------------------------------------------------------------------------------ concurrency


def test_another_version_than_the_one_that_was_read_is_refused(call: Caller, home: Home) -> None:
    call("GET", "/api/config")
    tag = call.headers["ETag"]
    call("PATCH", "/api/config", {"trading": {"risk": 0.2}}, **{"If-Match": tag})
    before = contents(home)
    late = call.raw("PATCH", "/api/config", {"trading": {"risk": 0.9}}, **{"If-Match": tag})
    assert_problem(late, 412, "config_changed")
    assert contents(home) == before
    call("PATCH", "/api/config", {"trading": {"risk": 0.9}}, **{"If-Match": call.headers_of("/api/config")["ETag"]})
    call("PATCH", "/api/config", {"trading": {"risk": 0.8}}, **{"If-Match": "*"})
    assert_problem(call.raw("PATCH", "/api/config", {}, **{"If-Match": "unquoted"}), 422, "validation_failed")


def test_patches_at_once_do_not_lose_one_another(call: Caller, home: Home) -> None:
    statuses = []

    def patch(name: str) -> None:
        body = {"services": {name: {"on": True}}}
        statuses.append(call.app.test_client().patch("/api/config", json=body, headers=call.who.headers).status_code)

    threads = [threading.Thread(target=patch, args=(f"s{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 6
    assert sorted(home.config()["services"]) == [f"s{number}" for number in range(6)]
    versions = [change["version"] for change in call("GET", "/api/config/history")]
    assert len(set(versions)) == 7  # six changes, and what there was before


def test_a_change_that_the_database_does_not_take_is_not_there(
    call: Caller, home: Home, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("PATCH", "/api/config", {"trading": {"risk": 0.2}})
    before = contents(home)
    write = Home.write

    def fail(self: Home, changes: Any) -> None:
        write(self, changes)
        monkeypatch.setattr(Home, "write", write)
        raise StorageUnavailable("gone")

    monkeypatch.setattr(Home, "write", fail)
    answer = call.raw("PATCH", "/api/config", {"trading": {"risk": 0.9}, "DEBUG": True})
    assert_problem(answer, 503, "storage_unavailable")
    now = {path: json.loads(text) for path, text in contents(home).items()}
    assert now == {path: json.loads(text) for path, text in before.items()}
    assert len(call("GET", "/api/config/history")) == 2


# ------------------------------------------------------------------------------------------------ history


def test_the_history_says_who_changed_what(call: Caller) -> None:
    applied = call("PATCH", "/api/config", {"trading": {"risk": 0.25}})
    newest, first = call("GET", "/api/config/history")
    assert newest == applied["change"]
    assert newest["author"] == {"id": call.who.id, "username": call.who.username}
    assert newest["action"] == "edited"
    assert newest["changes"] == [{"op": "replace", "path": "/config/trading/risk", "before": 0.5, "after": 0.25}]
    assert (first["author"], first["action"], first["changes"]) == (None, "found", [])


def test_the_history_comes_in_pages(call: Caller) -> None:
    for number in range(1, 5):
        call("PATCH", "/api/config", {"trading": {"risk": number / 10}})
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = call.raw("GET", f"/api/config/history?limit=2{cursor and '&cursor=' + cursor}").get_json()
        seen += [each["id"] for each in answer["data"]]
        cursor = answer["pagination"]["next_cursor"]
    assert len(seen) == len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)


def test_what_others_changed_is_noticed(call: Caller, home: Home) -> None:
    call("PATCH", "/api/config", {"trading": {"risk": 0.25}})
    put(home.config_file, {**home.config(), "DEBUG": True})
    call("PATCH", "/api/config", {"trading": {"risk": 0.3}})
    edited, outside, *_ = call("GET", "/api/config/history")
    assert edited["changes"][0]["path"] == "/config/trading/risk"
    assert (outside["author"], outside["action"]) == (None, "changed_outside")
    assert outside["changes"] == [{"op": "add", "path": "/config/DEBUG", "before": None, "after": True}]


def test_a_change_leaves_an_audit_row(call: Caller, database: Database) -> None:
    change = call("PATCH", "/api/config", {"trading": {"risk": 0.25}})["change"]
    call("POST", "/api/config/rollback", {"change_id": call("GET", "/api/config/history")[1]["id"]})
    with database.read() as connection:
        query = select(models.AuditEntry).where(models.AuditEntry.action.startswith("config."))
        rows = connection.execute(query.order_by(models.AuditEntry.id)).all()
    assert [(row.action, row.user_id, row.outcome) for row in rows] == [
        ("config.edited", call.who.id, "done"),
        ("config.rolled_back", call.who.id, "done"),
    ]
    assert rows[0].target == change["id"]


# ------------------------------------------------------------------------------------------------ rollback


def test_a_rollback_brings_everything_back_with_the_secrets_of_now(call: Caller, home: Home) -> None:
    first = call("PATCH", "/api/config", {**BINANCE, "trading": {"risk": 0.25}})["change"]
    call("PATCH", "/api/config", {"trading": {"risk": 0.9}, "services": {"web": {"port": 1}}})
    new = {"exchanges": {"binance": {"api-secret": f"{CANARY}-newer"}}}
    call("PATCH", "/api/config", new)
    secret = home.config()["exchanges"]["binance"]["api-secret"]

    back = call("POST", "/api/config/rollback", {"change_id": first["id"]})
    assert back["config"]["trading"]["risk"] == 0.25
    assert back["config"]["services"] == {}
    assert back["missing_secrets"] == []
    assert home.config()["exchanges"]["binance"]["api-secret"] == secret
    assert back["change"]["action"] == "rolled_back"
    assert call("POST", "/api/config/rollback", {"change_id": first["id"]})["change"] is None


def test_secrets_that_are_gone_are_named(call: Caller, home: Home) -> None:
    first = call("PATCH", "/api/config", BINANCE)["change"]
    call("PATCH", "/api/config", {"exchanges": {"binance": None}})
    back = call("POST", "/api/config/rollback", {"change_id": first["id"]})
    expected = [f"config.exchanges.binance.{name}" for name in KEYS]
    assert sorted(back["missing_secrets"]) == expected
    assert REDACTED not in json.dumps(home.config())
    assert home.profile().config["exchanges"]["binance"] == {"enabled": True}


def test_a_rollback_to_nowhere_changes_nothing(call: Caller, home: Home) -> None:
    before = contents(home)
    answer = call.raw("POST", "/api/config/rollback", {"change_id": "nowhere"})
    assert_problem(answer, 404, "change_not_found")
    assert contents(home) == before


def test_a_rollback_goes_back_to_the_profile_of_that_time(call: Caller, home: Home) -> None:
    first = call("PATCH", "/api/config", {"trading": {"risk": 0.25}})["change"]
    add_profile(home, "other", trading={"reference-market": "BTC", "risk": 1})
    call("POST", "/api/config/profiles/other/select")
    call("PATCH", "/api/config", {"trading": {"risk": 0.7}})
    back = call("POST", "/api/config/rollback", {"change_id": first["id"]})
    assert (back["config"]["profile"], back["config"]["trading"]["risk"]) == ("default", 0.25)
    assert {each.id: each.config["trading"]["risk"] for each in home.profiles()} == {"default": 0.25, "other": 0.7}
    at_other = call("GET", "/api/config/history")[1]
    assert at_other["profile"] == "other"
    call("DELETE", "/api/config/profiles/other")
    assert_problem(call.raw("POST", "/api/config/rollback", {"change_id": at_other["id"]}), 409, "profile_gone")


# ------------------------------------------------------------------------------------------------ secrets


def test_secrets_are_nowhere_but_in_the_home(
    call: Caller, home: Home, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    services = {"telegram": {"token": f"{CANARY}-bot", "chat-id": "7"}, "web": {"password": CANARY}}
    first = call("PATCH", "/api/config", {**BINANCE, "services": services, "community-token": CANARY})["change"]
    call.raw("PATCH", "/api/config", {"services": {"x": CANARY}, "trading": {"risk": 5}})
    call.raw("PATCH", "/api/config", {"exchanges": {"binance": {"api-key": [CANARY]}}})
    call("PATCH", "/api/config", {"exchanges": {"binance": {"api-key": f"{CANARY}-2"}}, "services": {"web": None}})
    call("POST", "/api/config/rollback", {"change_id": first["id"]})
    for path in ("", "/history", "/profiles", "/tentacles"):
        call("GET", f"/api/config{path}")

    home_text = home.config_file.read_text()
    assert f"{CANARY}-bot" in home_text  # it was written
    sealed = home.config()["exchanges"]["binance"]["api-key"]
    with database.read() as connection:
        tables = (models.BotConfigChange.__table__, models.AuditEntry.__table__)
        rows = [row for table in tables for row in connection.execute(select(table))]
    told = [*call.texts, *(msgspec.json.encode(row._asdict()).decode() for row in rows), caplog.text]
    assert len(told) > 10
    for text_told in told:
        assert CANARY not in text_told
        assert sealed not in text_told


# ------------------------------------------------------------------------------------------------ a home in trouble


def test_a_home_that_cannot_be_read_is_said_to_be(call: Caller, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("utils.home.files.READ_SECONDS", 0.0)
    put(home.config_file, "{half")
    assert_problem(call.raw("GET", "/api/config"), 409, "home_unreadable")
    assert_problem(call.raw("PATCH", "/api/config", {"DEBUG": True}), 409, "home_unreadable")
    assert home.config_file.read_text() == "{half"
    put(home.config_file, {**json.loads("{}"), "exchanges": {"x": 1}})
    assert_problem(call.raw("GET", "/api/config"), 409, "home_unreadable")


def test_it_is_read_without_the_engine(settings: Settings, database: Database, home: Home) -> None:
    from app import create_app
    from tests.factories import sign_in
    from utils.octobot_bridge import OctoBotBridge, UnixTransport

    app: Flask = create_app(
        settings, bridge=OctoBotBridge(UnixTransport(settings.engine_socket), timeout=30), database=database
    )
    who: SignedIn = sign_in(app, database, role="admin")
    client: FlaskClient = app.test_client()
    answer = client.get("/api/config", headers=who.headers).get_json()
    assert answer["data"]["bot"]["octobot_version"] is None
    assert client.patch("/api/config", json={"DEBUG": True}, headers=who.headers).status_code == 200


ROUTES = [
    ("GET", "/api/config"),
    ("PATCH", "/api/config"),
    ("GET", "/api/config/history"),
    ("POST", "/api/config/rollback"),
    ("GET", "/api/config/profiles"),
    ("POST", "/api/config/profiles"),
    ("POST", "/api/config/profiles/default/select"),
    ("DELETE", "/api/config/profiles/default"),
    ("GET", "/api/config/tentacles"),
    ("GET", "/api/config/tentacles/DipTradingMode"),
    ("PATCH", "/api/config/tentacles/DipTradingMode"),
]


def test_it_is_for_admins(call: Caller, user: SignedIn, home: Home) -> None:
    before = contents(home)
    for method, path in ROUTES:
        answer = call.client.open(path, method=method, json=None if method == "GET" else {}, headers=user.headers)
        assert_problem(answer, 403, "forbidden")
    assert contents(home) == before
