"""`/metrics`: who may read it, and that it tells what happened."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families as parsed

from app import create_app
from config import Settings
from models import Database
from services.operations import metrics
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.manual_market import ManualMarket
from tests.problems import assert_problem
from utils import shared_metrics
from utils.errors import EngineTimeout
from utils.octobot_bridge import OctoBotBridge
from utils.wire import AnyRequest

TOKEN = "5b0c9d1f7ae3624860f2c4d19b7e3a58"
SCRAPE = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return dataclasses.replace(settings, metrics_token=TOKEN)


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample of a page by its name and labels; none may be there twice."""
    found = [
        ((sample.name, tuple(sorted(sample.labels.items()))), sample.value)
        for family in parsed(text)
        for sample in family.samples
    ]
    assert len(found) == len(dict(found))
    return dict(found)


def value(client: FlaskClient, name: str, **labels: str) -> float:
    """Scrape and return one sample, 0 when it is not there."""
    answer = client.get("/metrics", headers=SCRAPE)
    assert answer.status_code == 200
    return samples(answer.get_data(as_text=True)).get((name, tuple(sorted(labels.items()))), 0.0)


class TestReaders:
    def test_the_token_and_admins(self, client: FlaskClient, admin: SignedIn) -> None:
        for headers in (SCRAPE, admin.headers):
            answer = client.get("/metrics", headers=headers)
            assert (answer.status_code, answer.content_type) == (200, metrics.CONTENT_TYPE)
            assert 'trading_build_info{version="' in answer.get_data(as_text=True)

    def test_nobody_else(self, client: FlaskClient, user: SignedIn) -> None:
        assert_problem(client.get("/metrics"), 401, "token_missing")
        assert_problem(client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN[:-1]}"}), 401, "token_invalid")
        assert_problem(client.get("/metrics", headers=user.headers), 403, "forbidden")

    def test_the_token_opens_nothing_else(self, client: FlaskClient) -> None:
        for path in ("/api/auth/me", "/api/config", "/api/portfolio"):
            assert_problem(client.get(path, headers=SCRAPE), 401, "token_invalid")

    def test_without_a_token_no_token_is_right(self, settings: Settings, database: Database) -> None:
        client = create_app(dataclasses.replace(settings, metrics_token=""), database=database).test_client()
        for token in ("x", TOKEN):
            assert_problem(client.get("/metrics", headers={"Authorization": f"Bearer {token}"}), 401, "token_invalid")


class TestRequests:
    def test_are_told_by_route_method_and_status(self, client: FlaskClient, user: SignedIn) -> None:
        for number in range(3):
            client.get(f"/api/trading/orders/{number}", headers=user.headers)
        client.get("/health/live")
        route = "/api/trading/orders/<order_id>"
        assert value(client, "trading_http_requests_total", route=route, method="GET", status="404") == 3
        assert value(client, "trading_http_request_seconds_count", route=route, method="GET") == 3
        assert value(client, "trading_http_requests_total", route="/health/live", method="GET", status="200") == 1

    def test_no_client_can_make_up_a_series(self, client: FlaskClient) -> None:
        client.get("/metrics", headers=SCRAPE)
        before = client.get("/nowhere"), samples(client.get("/metrics", headers=SCRAPE).get_data(as_text=True))
        for number in range(20):
            client.get(f"/nowhere/{number}")
            client.open("/nowhere", method=f"MADEUP{number}")
        after = samples(client.get("/metrics", headers=SCRAPE).get_data(as_text=True))
        made = {labels for name, labels in set(after) - set(before[1]) if name == "trading_http_requests_total"}
        assert made == {(("method", "other"), ("route", "-"), ("status", "404"))}
        assert after["trading_http_requests_total", (("method", "GET"), ("route", "-"), ("status", "404"))] == 21

    def test_refusals_by_a_limit(self, settings: Settings, database: Database, user: SignedIn) -> None:
        strict = dataclasses.replace(settings, rate_limit_enabled=True, rate_limit_per_minute=2)
        client = create_app(strict, database=database).test_client()
        statuses = [client.get("/api/auth/me", headers=user.headers).status_code for _ in range(5)]
        statuses += [
            client.post("/api/auth/login", json={"username": "x", "password": "y" * 12}).status_code for _ in range(6)
        ]
        assert statuses == [200, 200, 429, 429, 429] + [401] * 5 + [429]
        assert value(client, "trading_rate_limit_refusals_total", limit="user") == 3
        assert value(client, "trading_rate_limit_refusals_total", limit="ip") == 1


class TestEngine:
    @pytest.fixture
    def bridge(self, engine_bridge: OctoBotBridge) -> OctoBotBridge:
        return engine_bridge

    def test_orders_by_what_became_of_them(
        self, client: FlaskClient, user: SignedIn, host: EngineHost, market: ManualMarket
    ) -> None:
        host.tick()

        def place(**fields: Any) -> Any:
            body = {"symbol": "BTC/USDT", "side": "buy", "amount": "0.01", **fields}
            return client.post("/api/trading/orders", json=body, headers=user.headers)

        assert place(type="market").status_code == 201
        resting = place(price="10000").get_json()["data"]["id"]
        assert place(price="10000").status_code == 201
        assert client.delete(f"/api/trading/orders/{resting}", headers=user.headers).status_code == 200
        assert place(price="10000", amount="900").status_code == 422

        page = samples(client.get("/metrics", headers=SCRAPE).get_data(as_text=True))
        outcomes = {
            (dict(labels)["type"], dict(labels)["outcome"]): count
            for (name, labels), count in page.items()
            if name == "trading_orders_total"
        }
        assert outcomes == {
            ("market", "filled"): 1,
            ("limit", "accepted"): 2,
            ("limit", "canceled"): 1,
            ("limit", "refused"): 1,
        }
        assert page["trading_engine_open_orders", ()] == 1
        assert page["trading_engine_accounts", ()] == 1
        assert page["trading_journal_commits_total", (("outcome", "stored"),)] >= 4
        assert page["trading_journal_units_total", ()] >= 5
        assert page["trading_feed_connected", (("exchange", market.exchange),)] == 1
        assert page["trading_bridge_call_seconds_count", (("request", "PlaceOrder"),)] == 4
        assert page["trading_up", (("part", "engine"),)] == 1
        assert page["trading_feed_age_seconds", (("exchange", market.exchange), ("symbol", "BTC/USDT"))] < 60


class Hanging:
    """An engine that takes its time."""

    def call(self, _request: AnyRequest, deadline: float) -> Any:
        time.sleep(max(deadline - time.time(), 0))
        raise EngineTimeout("No answer.")

    def stream(self, _request: Any) -> Any:
        raise NotImplementedError


class TestAbsence:
    @pytest.mark.parametrize("part", ["engine", "streamer"])
    def test_is_told_at_once(self, client: FlaskClient, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(metrics, "PART_SECONDS", 60)
        began = time.monotonic()
        assert value(client, "trading_up", part=part) == 0
        assert time.monotonic() - began < 15

    def test_a_part_that_hangs_is_not_waited_for(
        self, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(metrics, "PART_SECONDS", 0.2)
        client = create_app(settings, bridge=OctoBotBridge(Hanging()), database=database).test_client()
        began = time.monotonic()
        assert value(client, "trading_up", part="engine") == 0
        assert time.monotonic() - began < 4  # a call of the bridge takes 5


WORKER = """
import pathlib, sys
from utils import shared_metrics
shared_metrics.join(pathlib.Path(sys.argv[1]))
import prometheus_client
counter = prometheus_client.Counter("probe", "A probe", registry=prometheus_client.CollectorRegistry())
counter.inc(int(sys.argv[2]))
print("counted", flush=True)
sys.stdin.read()
"""


class TestSharing:
    def start(self, directory: Path, amount: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WORKER, str(directory), str(amount)]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "counted\n"
        return worker

    def total(self, directory: Path) -> float:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(directory))
        total = registry.get_sample_value("probe_total")
        assert total is not None
        return total

    def test_a_killed_process_is_not_forgotten_and_leaves_no_files(self, tmp_path: Path) -> None:
        shared_metrics.clear(tmp_path)
        one, two = self.start(tmp_path, 1), self.start(tmp_path, 20)
        assert self.total(tmp_path) == 21
        one.send_signal(signal.SIGKILL)
        one.wait()
        assert self.total(tmp_path) == 21
        three = self.start(tmp_path, 300)
        assert self.total(tmp_path) == 321
        files = list(tmp_path.glob("counter_*.db"))
        assert len(files) == 2
        # a hole would have to be filled when the disk may be full
        assert all(file.stat().st_blocks * 512 >= file.stat().st_size for file in files)
        for worker in (two, three):
            worker.communicate()
        shared_metrics.clear(tmp_path)
        assert list(tmp_path.glob("*.db")) == []


def test_an_app_by_itself_counts_for_itself(app: Flask) -> None:
    assert shared_metrics.directory() is None
    assert app.test_client().get("/metrics", headers=SCRAPE).status_code == 200
