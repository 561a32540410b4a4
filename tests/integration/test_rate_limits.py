from __future__ import annotations

import dataclasses
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from config import Settings
from middleware.leases import LEASE
from middleware.limit_storage import SQLiteStorage
from middleware.rate_limits import ANONYMOUS_PER_MINUTE, network
from models import Database
from services.audit import Origin
from services.users.sessions import LogIn
from tests.factories import PASSWORD, SignedIn, services_of, with_key
from tests.problems import assert_problem
from utils.octobot_bridge import OctoBotBridge

WRONG = "wrong-wrong-wrong"
HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return dataclasses.replace(settings, rate_limit_enabled=True, rate_limit_per_minute=20)


@pytest.fixture
def twin(settings: Settings, bridge: OctoBotBridge, database: Database) -> Flask:
    """Return what a second worker process builds from the same settings."""
    return create_app(settings, bridge=bridge, database=Database(settings.database_url))


def log_in(client: FlaskClient, address: str, name: str, password: str = WRONG, **headers: str) -> Any:
    return client.post(
        "/api/auth/login",
        json={"username": name, "password": password},
        headers=headers,
        environ_base={"REMOTE_ADDR": address},
    )


class TestHeaders:
    def test_on_every_answer(self, client: FlaskClient, user: SignedIn) -> None:
        answers = [
            client.get("/api/auth/me", headers=user.headers),
            client.get("/api/auth/me"),
            client.get("/nope"),
            client.delete("/api/auth/me"),
            client.post("/api/auth/login", data="{"),
            client.get("/"),
        ]
        assert [answer.status_code for answer in answers] == [200, 401, 404, 405, 415, 302]
        for answer in answers:
            assert all(name in answer.headers for name in HEADERS), answer
            assert 0 < int(answer.headers["X-RateLimit-Reset"]) - time.time() <= 61
            assert "Retry-After" not in answer.headers

    def test_count_down_per_user(self, client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
        for left in (19, 18, 17):
            answer = client.get("/api/auth/me", headers=user.headers)
            assert (answer.headers[HEADERS[0]], answer.headers[HEADERS[1]]) == ("20", str(left))
        assert client.get("/api/auth/me", headers=other.headers).headers[HEADERS[1]] == "19"
        assert client.get("/nope").headers[HEADERS[0]] == str(ANONYMOUS_PER_MINUTE)

    def test_probes_are_never_limited(self, client: FlaskClient) -> None:
        answers = [client.get("/health/live") for _ in range(ANONYMOUS_PER_MINUTE // 10)]
        assert {answer.status_code for answer in answers} == {200}
        assert HEADERS[0] not in answers[-1].headers


def test_one_too_many_is_429_in_whichever_worker(app: Flask, twin: Flask, user: SignedIn) -> None:
    clients = [app.test_client(), twin.test_client()]
    for number in range(20):
        assert clients[number % 2].get("/api/auth/me", headers=user.headers).status_code == 200
    for client in clients:
        answer = client.get("/api/auth/me", headers=user.headers)
        assert_problem(answer, 429, "rate_limited")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert answer.headers[HEADERS[1]] == "0"


class TestLeases:
    LIMIT = 400

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return dataclasses.replace(settings, rate_limit_per_minute=self.LIMIT)

    def test_no_more_than_the_limit_get_through_two_workers(self, app: Flask, twin: Flask, user: SignedIn) -> None:
        clients = [app.test_client(), twin.test_client()]
        answers = [clients[number % 2].get("/api/auth/me", headers=user.headers) for number in range(self.LIMIT + 20)]
        passed = sum(answer.status_code == 200 for answer in answers)
        assert self.LIMIT - LEASE < passed <= self.LIMIT
        assert {answer.status_code for answer in answers[-10:]} == {429}

    def test_a_password_is_not_tried_out_on_a_lease(self, client: FlaskClient, user: SignedIn) -> None:
        for _ in range(10):
            client.get("/api/auth/me", headers=user.headers)
        guess = {"current_password": WRONG, "new_password": "another-lovely-day"}
        answers = [client.post("/api/auth/password", json=guess, headers=user.headers) for _ in range(8)]
        assert [answer.status_code == 429 for answer in answers] == [False] * 5 + [True] * 3

    def test_the_headers_count_down_one_by_one(self, client: FlaskClient, user: SignedIn) -> None:
        answers = [client.get("/api/auth/me", headers=user.headers) for _ in range(self.LIMIT + 1)]
        told = [int(answer.headers[HEADERS[1]]) for answer in answers]
        assert told == [*range(self.LIMIT - 1, -1, -1), 0]
        assert [answer.status_code for answer in answers[-2:]] == [200, 429]

    def test_a_key_and_its_owner_each_use_their_own(self, app: Flask, client: FlaskClient, user: SignedIn) -> None:
        key = with_key(app, user, "read")

        def left(headers: dict[str, str]) -> tuple[int, int]:
            answer = client.get("/api/auth/me", headers=headers)
            return answer.status_code, int(answer.headers[HEADERS[1]])

        for remaining in range(self.LIMIT - 1, self.LIMIT - 21, -1):
            assert (left(key), left(user.headers)) == ((200, remaining), (200, remaining))
        for remaining in range(self.LIMIT - 21, -1, -1):
            assert left(key) == (200, remaining)
        for remaining in range(self.LIMIT - 21, self.LIMIT - 41, -1):
            assert (left(key), left(user.headers)) == ((429, 0), (200, remaining))


class TestLogins:
    def test_five_a_minute_from_one_address(self, app: Flask, twin: Flask) -> None:
        clients = [app.test_client(), twin.test_client()]
        answers = [log_in(clients[number % 2], "198.51.100.1", f"name{number}") for number in range(8)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 3
        assert answers[0].headers[HEADERS[0]] == "5"
        assert answers[0].headers[HEADERS[1]] == "4"
        assert int(answers[-1].headers["Retry-After"]) > 30

    def test_five_a_minute_at_one_account_from_many(self, app: Flask, twin: Flask, user: SignedIn) -> None:
        clients = [app.test_client(), twin.test_client()]
        names = [user.username, user.username.upper(), user.email]  # all the same account

        def attempt(number: int) -> int:
            return int(log_in(clients[number % 2], f"198.51.100.{number}", names[number % 3]).status_code)

        with ThreadPoolExecutor(10) as pool:
            statuses = list(pool.map(attempt, range(1, 41)))
        assert sorted(statuses) == [401] * 5 + [429] * 35

    def test_whatever_the_client_says_of_its_address(self, client: FlaskClient) -> None:
        statuses = [
            log_in(client, "198.51.100.1", f"n{number}", **{"X-Forwarded-For": f"203.0.113.{number}"}).status_code
            for number in range(8)
        ]
        assert statuses == [401] * 5 + [429] * 3

    def test_a_trusted_proxy_is_believed_for_its_hop(self, settings: Settings, database: Database) -> None:
        trusting = dataclasses.replace(settings, trusted_proxies=1)
        client = create_app(trusting, database=database).test_client()
        spread = [
            log_in(client, "10.0.0.1", f"n{number}", **{"X-Forwarded-For": f"6.6.6.6, 203.0.113.{number}"})
            for number in range(8)
        ]
        assert {answer.status_code for answer in spread} == {401}
        forged = [
            log_in(client, "10.0.0.1", f"m{number}", **{"X-Forwarded-For": f"6.6.6.{number}, 203.0.113.99"})
            for number in range(8)
        ]
        assert [answer.status_code for answer in forged] == [401] * 5 + [429] * 3

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            ("/api/auth/api-keys", {"name": "x", "scopes": ["read"], "password": WRONG}, 422),
            ("/api/notifications/email/test", None, 409),
        ],
    )
    def test_a_token_neither_guesses_a_password_nor_sends_mail_without_end(
        self, client: FlaskClient, user: SignedIn, path: str, body: Any, status: int
    ) -> None:
        answers = [client.post(path, json=body, headers=user.headers).status_code for _ in range(8)]
        assert answers == [status] * 5 + [429] * 3

    def test_strangers_do_not_lock_the_owner_out(self, app: Flask, client: FlaskClient, user: SignedIn) -> None:
        home = Origin(ip="192.0.2.7")
        services_of(app).sessions.log_in(LogIn(name=user.username, password=PASSWORD), home)
        attack = [log_in(client, f"198.51.100.{number}", user.username).status_code for number in range(12)]
        assert attack == [401] * 5 + [429] * 7

        assert log_in(client, "192.0.2.7", user.username, PASSWORD).status_code == 200
        # the right password from elsewhere does not get around the limit
        assert log_in(client, "198.51.100.99", user.username, PASSWORD).status_code == 429

    def test_a_key_does_not_lock_its_owner_out(self, app: Flask, client: FlaskClient, user: SignedIn) -> None:
        keys = [with_key(app, user, "read") for _ in range(2)]
        body = {"current_password": PASSWORD, "new_password": "another-lovely-day"}

        def post(headers: dict[str, str], address: str) -> int:
            answer = client.post(
                "/api/auth/password", json=body, headers=headers, environ_base={"REMOTE_ADDR": address}
            )
            return answer.status_code

        tried = [post(keys[0], f"198.51.100.{number}") for number in range(8)]
        assert tried == [403] * 5 + [429] * 3
        assert post(keys[1], "198.51.100.50") == 403
        assert post(user.headers, "192.0.2.7") == 200

    def test_a_name_that_nobody_has_is_counted_too_but_not_kept(self, client: FlaskClient, settings: Settings) -> None:
        statuses = [log_in(client, f"198.51.100.{number}", "canary-name").status_code for number in range(8)]
        assert statuses == [401] * 5 + [429] * 3
        kept = b"".join(path.read_bytes() for path in settings.data_dir.glob("rate_limits.db*"))
        assert b"account:" in kept
        assert b"canary" not in kept


class TestBrokenStorage:
    @pytest.fixture
    def broken(self, app: Flask, settings: Settings) -> Flask:
        # a file that is no database any more, for every connection to come
        for path in settings.data_dir.glob("rate_limits.db*"):
            path.write_bytes(b"x" * 4096)
        return app

    def test_lets_reads_through_and_refuses_writes(self, broken: Flask, user: SignedIn) -> None:
        client = broken.test_client()
        assert client.get("/api/auth/me", headers=user.headers).status_code == 200
        answer = client.post("/api/auth/logout", headers=user.headers)
        assert_problem(answer, 503, "limits_unavailable")
        assert answer.headers["Retry-After"] == "1"
        assert client.get("/api/auth/me", headers=user.headers).status_code == 200  # nothing was done


class TestSQLiteStorage:
    def test_counts_a_window_from_its_first_hit(self, tmp_path: Path) -> None:
        storage = SQLiteStorage(tmp_path / "limits.db")
        began = time.time()
        assert [storage.incr("a", 60), storage.incr("a", 60, 3), storage.incr("b", 60)] == [1, 4, 1]
        assert storage.get("a") == 4
        assert began + 60 <= storage.get_expiry("a") <= time.time() + 60
        storage.clear("a")
        assert (storage.get("a"), storage.get("b")) == (0, 1)
        assert storage.reset() == 1
        assert storage.check()

    def test_a_window_ends(self, tmp_path: Path) -> None:
        storage = SQLiteStorage(tmp_path / "limits.db")
        storage.incr("a", 0.05, 5)
        time.sleep(0.06)
        assert storage.get("a") == 0
        assert storage.incr("a", 60) == 1

    def test_threads_lose_no_hit(self, tmp_path: Path) -> None:
        storages = [SQLiteStorage(tmp_path / "limits.db") for _ in range(2)]
        with ThreadPoolExecutor(8) as pool:
            counts = list(pool.map(lambda number: storages[number % 2].incr("a", 60), range(400)))
        assert sorted(counts) == list(range(1, 401))

    def test_forgets_what_has_expired(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        storage = SQLiteStorage(tmp_path / "limits.db")
        for number in range(10):
            storage.incr(f"old{number}", 0.001)
        time.sleep(0.01)
        monkeypatch.setattr("middleware.limit_storage.CLEAN_ONE_IN", 1)
        storage.incr("new", 60)
        assert storage.reset() == 1

    def test_a_file_that_is_gone_is_an_unhealthy_storage(self, tmp_path: Path) -> None:
        storage = SQLiteStorage(tmp_path / "limits.db")
        (tmp_path / "limits.db").write_bytes(b"x" * 4096)
        assert not storage.check()


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        (None, "unknown"),
        ("", "unknown"),
    ],
)
def test_addresses_that_one_customer_has_are_one(address: str | None, bucket: str) -> None:
    assert network(address) == bucket


@pytest.mark.redis
class TestRedis:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return dataclasses.replace(settings, redis_url=os.environ["TEST_REDIS_URL"])

    def test_counts_for_every_node(self, app: Flask, twin: Flask, user: SignedIn) -> None:
        clients = [app.test_client(), twin.test_client()]
        answers = [clients[number % 2].get("/api/auth/me", headers=user.headers) for number in range(22)]
        assert [answer.status_code for answer in answers] == [200] * 20 + [429] * 2
        assert [int(answer.headers[HEADERS[1]]) for answer in answers[:3]] == [19, 18, 17]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_without_redis_reads_go_on_and_writes_wait(settings: Settings, database: Database, user: SignedIn) -> None:
    away = dataclasses.replace(settings, redis_url="redis://127.0.0.1:1/0")
    client = create_app(away, database=database).test_client()
    assert client.get("/api/auth/me", headers=user.headers).status_code == 200
    assert_problem(client.post("/api/auth/logout", headers=user.headers), 503, "limits_unavailable")
