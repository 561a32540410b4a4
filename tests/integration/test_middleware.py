from __future__ import annotations

import dataclasses
import gzip
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from werkzeug.exceptions import abort
from werkzeug.test import TestResponse

import middleware.errors
from api.blueprint import PUBLIC, Blueprint
from app import create_app
from config import Settings
from models import Database
from services.leases import Leases
from services.operations.health import Readiness
from tests.factories import SignedIn
from tests.problems import assert_problem, fields
from utils import clock, errors
from utils.errors import TradingError
from utils.octobot_bridge import OctoBotBridge
from utils.wire import AnyRequest, EngineStatus, FeedStatus


def raising(app: Flask, error: Exception) -> FlaskClient:
    """Return a client of `app` whose `/raise` raises `error`."""
    blueprint = Blueprint("probe", "For this test")

    @blueprint.route("/raise", permission=PUBLIC)
    def fail() -> None:
        raise error

    app.register_blueprint(blueprint)
    return app.test_client()


class TestErrors:
    @pytest.mark.parametrize("kind", [*TradingError.__subclasses__(), *errors.BridgeError.__subclasses__()])
    def test_every_domain_error_has_a_status(self, app: Flask, kind: type[TradingError]) -> None:
        error = kind("What happened.", code="some_code", retry_after=7)
        answer = raising(app, error).get("/raise")
        body = assert_problem(answer, middleware.errors.status_of(error), "some_code")
        assert body["detail"] == "What happened."
        assert answer.headers["Retry-After"] == "7"

    @pytest.mark.parametrize(
        ("kind", "status"),
        [
            (errors.Malformed, 400),
            (errors.Unauthenticated, 401),
            (errors.Forbidden, 403),
            (errors.NotFound, 404),
            (errors.Conflict, 409),
            (errors.Refused, 422),
            (errors.EngineFault, 502),
            (errors.EngineUnavailable, 503),
            (errors.StorageUnavailable, 503),
            (errors.Overloaded, 503),
            (errors.EngineTimeout, 504),
        ],
    )
    def test_statuses(self, app: Flask, kind: type[TradingError], status: int) -> None:
        answer = raising(app, kind("What happened.")).get("/raise")
        assert_problem(answer, status, kind.code)
        assert ("Retry-After" in answer.headers) == (status >= 502)

    def test_what_nobody_foresaw_says_nothing_but_where_to_look(
        self, app: Flask, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = raising(app, RuntimeError("SELECT canary FROM secrets")).get("/raise")
        body = assert_problem(answer, 500, "internal_error")
        assert "canary" not in answer.get_data(as_text=True)
        assert "canary" in caplog.text
        assert body["request_id"] in caplog.text

    def test_what_flask_refuses(self, client: FlaskClient) -> None:
        assert_problem(client.get("/nope"), 404, "not_found")
        answer = client.delete("/api/auth/login")
        assert_problem(answer, 405, "method_not_allowed")
        assert "POST" in answer.headers["Allow"]
        assert_problem(client.post("/api/auth/login", data="a=b"), 415, "unsupported_media_type")

    def test_other_statuses_too(self, app: Flask) -> None:
        blueprint = Blueprint("probe", "For this test")
        blueprint.route("/teapot", permission=PUBLIC)(lambda: abort(418))
        app.register_blueprint(blueprint)
        assert_problem(app.test_client().get("/teapot"), 418, "i'm_a_teapot")

    def test_a_database_that_does_not_answer_is_503(
        self, client: FlaskClient, user: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def locked(*_: object) -> None:
            raise errors.StorageUnavailable("The database did not answer.", retry_after=1)

        monkeypatch.setattr(Database, "read", locked)
        answer = client.get("/api/auth/me", headers=user.headers)
        assert_problem(answer, 503, "storage_unavailable")
        assert answer.headers["Retry-After"] == "1"


class TestRequestId:
    def test_is_made_and_told(self, client: FlaskClient) -> None:
        ids = {client.get("/health/live").headers["X-Request-ID"] for _ in range(3)}
        assert len(ids) == 3

    def test_of_the_client_is_kept(self, client: FlaskClient) -> None:
        answer = client.get("/nope", headers={"X-Request-ID": "my-id_1.2"})
        assert assert_problem(answer, 404, "not_found")["request_id"] == "my-id_1.2"

    @pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", "é", "../x", "a;b", '"'])
    def test_that_is_not_sane_is_replaced(self, client: FlaskClient, given: str) -> None:
        answer = client.get("/health/live", headers={"X-Request-ID": given})
        assert answer.headers["X-Request-ID"] != given
        assert len(answer.headers["X-Request-ID"]) == 36


def test_security_headers_are_everywhere(client: FlaskClient) -> None:
    for path in ("/health/live", "/nope", "/api/auth/me", "/"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Cache-Control"] == "no-store"


def test_the_start_page_leads_to_the_documentation(client: FlaskClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/docs")


class TestRequestLog:
    def test_one_line_for_each_request(
        self, client: FlaskClient, user: SignedIn, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "access")
        client.get(f"/api/accounts/{user.account_id}?secret=canary", headers=user.headers)
        client.get("/nope/canary")

        first, second = (record for record in caplog.records if record.name == "access")
        assert first.getMessage() == "GET /api/accounts/<account_id>"
        extra: dict[str, Any] = vars(first)
        assert (extra["user"], extra["status"]) == (user.id, 422)
        assert extra["ms"] > 0
        assert len(extra["request_id"]) == 36
        assert second.getMessage() == "GET -"
        assert (vars(second)["user"], vars(second)["status"]) == ("-", 404)
        assert "canary" not in str(vars(first)) + str(vars(second))

    def test_probes_are_not_worth_a_line(self, client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "access")
        client.get("/health/live")
        client.get("/health/ready")
        assert [record.levelname for record in caplog.records if record.name == "access"] == ["DEBUG", "DEBUG"]


class TestCors:
    LOCAL = ["http://localhost:3000", "http://127.0.0.1:5173", "https://localhost", "http://[::1]:8080"]
    FOREIGN = [
        "http://evil.example",
        "http://localhost.evil.example",
        "http://evil.example/http://localhost",
        "http://localhost:3000@evil.example",
        "null",
        "http://127.0.0.1.evil.example:80",
        "http://xlocalhost:3000",
    ]

    def allowed(self, client: FlaskClient, origin: str) -> bool:
        answer = client.get("/health/live", headers={"Origin": origin})
        return answer.headers.get("Access-Control-Allow-Origin") == origin

    def test_this_machine_while_nobody_else_can_reach_it(self, client: FlaskClient) -> None:
        assert all(self.allowed(client, origin) for origin in self.LOCAL)
        assert not any(self.allowed(client, origin) for origin in self.FOREIGN)

    def test_nobody_on_another_address(self, settings: Settings) -> None:
        client = create_app(dataclasses.replace(settings, host="192.0.2.1")).test_client()
        assert not any(self.allowed(client, origin) for origin in [*self.LOCAL, *self.FOREIGN])

    def test_the_operators_choice_alone(self, settings: Settings) -> None:
        chosen = dataclasses.replace(settings, cors_origins=("https://app.example.com",))
        client = create_app(chosen).test_client()
        assert self.allowed(client, "https://app.example.com")
        assert not any(
            self.allowed(client, origin) for origin in [*self.LOCAL, *self.FOREIGN, "https://appxexample.com"]
        )

    def test_preflight_and_what_scripts_may_read(self, client: FlaskClient) -> None:
        origin = {"Origin": "http://localhost:3000"}
        sent = "authorization, idempotency-key, if-match, if-none-match"
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": sent}
        preflight = client.options("/api/accounts", headers={**origin, **asked})
        assert preflight.status_code == 200
        assert preflight.headers["Access-Control-Allow-Headers"].lower() == sent
        assert "GET" in preflight.headers["Access-Control-Allow-Methods"]

        denied = client.get("/api/accounts", headers=origin)
        assert denied.status_code == 401
        exposed = denied.headers["Access-Control-Expose-Headers"]
        for name in ("X-Request-ID", "X-RateLimit-Remaining", "Retry-After", "Location", "ETag", "Content-Disposition"):
            assert name in exposed
        assert "Idempotent-Replayed" in exposed
        assert "Access-Control-Allow-Credentials" not in denied.headers


class TestCompression:
    ALL = b"A hundred letters, and then the same ones again. " * 60

    @pytest.fixture
    def pack(self, app: Flask) -> Callable[..., TestResponse]:
        """Return how to ask for an answer of `size` bytes, or for one that is written while it is sent."""
        blueprint = Blueprint("probe", "For this test")

        @blueprint.route("/whole/<int:size>", permission=PUBLIC)
        def whole(size: int) -> Response:
            return Response(self.ALL[:size], mimetype="application/json")

        @blueprint.route("/streamed", permission=PUBLIC)
        def streamed() -> Response:
            return Response(iter([self.ALL]), mimetype="application/json")

        app.register_blueprint(blueprint)
        client = FlaskClient(app, app.response_class)

        def ask(path: str, accepted: str | None, **options: Any) -> TestResponse:
            headers = {} if accepted is None else {"Accept-Encoding": accepted}
            return client.open(path, headers=headers, **options)

        return ask

    @pytest.mark.parametrize("accepted", ["gzip", "gzip, deflate, br", "br;q=1, gzip;q=0.8", "*"])
    def test_who_asks_gets_it_packed(self, pack: Callable[..., TestResponse], accepted: str) -> None:
        answer = pack("/whole/2000", accepted)
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(answer.data) == int(answer.headers["Content-Length"]) < 500
        assert gzip.decompress(answer.data) == self.ALL[:2000]
        assert answer.headers["Vary"] == "Accept-Encoding"
        head = pack("/whole/2000", accepted, method="HEAD")
        assert (head.data, head.headers["Content-Length"]) == (b"", answer.headers["Content-Length"])

    @pytest.mark.parametrize("accepted", [None, "", "identity", "br", "gzip;q=0", "gzip;q=0.5, identity"])
    def test_who_does_not_gets_it_plain(self, pack: Callable[..., TestResponse], accepted: str | None) -> None:
        answer = pack("/whole/2000", accepted)
        assert "Content-Encoding" not in answer.headers
        assert answer.data == self.ALL[:2000]
        assert answer.headers["Vary"] == "Accept-Encoding"

    def test_small_answers_and_streams_stay_as_they_are(self, pack: Callable[..., TestResponse]) -> None:
        for path, body in (("/whole/1023", self.ALL[:1023]), ("/streamed", self.ALL)):
            answer = pack(path, "gzip")
            assert (answer.data, answer.headers.get("Content-Encoding"), answer.headers.get("Vary")) == (
                body,
                None,
                None,
            )
        assert pack("/whole/1024", "gzip").headers["Content-Encoding"] == "gzip"

    def test_what_a_client_keeps_still_holds(self, pack: Callable[..., TestResponse]) -> None:
        packed, plain = pack("/openapi.yaml", "gzip"), pack("/openapi.yaml", None)
        assert gzip.decompress(packed.data) == plain.data
        assert packed.headers["ETag"] == plain.headers["ETag"]
        assert packed.headers["ETag"].startswith("W/"), "two bodies must not have one strong tag"


class Feeds:
    """An engine that can only say how it is."""

    def __init__(self, *, connected: bool) -> None:
        self.connected = connected

    def call(self, _request: AnyRequest, _deadline: float) -> EngineStatus:
        feed = FeedStatus(exchange="demo", connected=self.connected, symbols=8, tick_age=0.1)
        return EngineStatus(
            pid=1,
            octobot_version="2.1.1",
            started_at=clock.now(),
            accounts_in_memory=0,
            open_orders=0,
            loop_lag=0.0,
            feeds=[feed],
        )

    def stream(self, _request: Any) -> Any:
        raise NotImplementedError


@pytest.mark.usefixtures("streamer", "worker")
class TestHealth:
    def test_live_needs_nothing(self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Database, "read", None)
        answer = client.get("/health/live")
        assert (answer.status_code, answer.get_json()) == (200, {"success": True, "data": {"status": "live"}})

    def test_ready(self, settings: Settings, database: Database) -> None:
        app = create_app(settings, bridge=OctoBotBridge(Feeds(connected=True)), database=database)
        answer = app.test_client().get("/health/ready")
        assert answer.status_code == 200
        assert answer.get_json()["data"] == dict.fromkeys(Readiness.__struct_fields__, "ready")

    def test_a_mute_feed_is_named(self, settings: Settings, database: Database) -> None:
        app = create_app(settings, bridge=OctoBotBridge(Feeds(connected=False)), database=database)
        body = assert_problem(app.test_client().get("/health/ready"), 503, "not_ready")
        assert fields(body) == {("feeds.demo", "feed_mute")}

    def test_an_engine_that_is_away_is_named(self, client: FlaskClient) -> None:
        answer = client.get("/health/ready")
        body = assert_problem(answer, 503, "not_ready")
        assert fields(body) == {("engine", "engine_unavailable")}
        assert answer.headers["Retry-After"] == "2"

    def test_a_streamer_that_is_away_is_named(self, settings: Settings, database: Database, tmp_path: Path) -> None:
        away = replace(settings, data_dir=tmp_path / "elsewhere")
        app = create_app(away, bridge=OctoBotBridge(Feeds(connected=True)), database=database)
        body = assert_problem(app.test_client().get("/health/ready"), 503, "not_ready")
        assert fields(body) == {("streamer", "streamer_unavailable")}

    def test_a_worker_that_is_away_is_named(self, settings: Settings, database: Database) -> None:
        Leases(database).give_back("tests")
        app = create_app(settings, bridge=OctoBotBridge(Feeds(connected=True)), database=database)
        body = assert_problem(app.test_client().get("/health/ready"), 503, "not_ready")
        assert fields(body) == {("worker", "worker_unavailable")}

    def test_a_database_without_tables_or_that_is_away_is_named(self, settings: Settings, tmp_path: Path) -> None:
        sqlite3.connect(tmp_path / "empty.db").close()
        for url, code in (
            (f"sqlite:///{tmp_path / 'empty.db'}", "schema_outdated"),
            (f"sqlite:///{tmp_path / 'no-such-folder' / 'x.db'}", "storage_unavailable"),
        ):
            client = create_app(settings, database=Database(url)).test_client()
            body = assert_problem(client.get("/health/ready"), 503, "not_ready")
            assert ("database", code) in fields(body)
