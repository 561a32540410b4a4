"""Webhooks: signed, tried again, written down, and never to where only this server can reach."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

import models
from app import create_app
from config import Settings
from models import Database
from services import WorkerServices, build_for_worker
from services.jobs import Jobs
from services.notifications import webhooks
from services.notifications.notifications import Told, notify
from services.operations.rotation import Rotation
from tests.factories import SignedIn, sign_in
from tests.integration.worker.receiver import Receiver
from tests.integration.worker.working import hurry, work
from tests.problems import assert_problem
from tests.streamer_host import until
from utils import outbound
from utils.errors import Refused
from utils.outbound import Outbound, is_public
from utils.vault import Vault


def add(client: FlaskClient, user: SignedIn, url: str) -> Any:
    answer = client.post("/api/webhooks", json={"url": url}, headers=user.headers)
    assert answer.status_code == 201, answer.get_json()
    return answer.get_json()["data"]


def log(client: FlaskClient, user: SignedIn, webhook: str) -> list[Any]:
    data: list[Any] = client.get(f"/api/webhooks/{webhook}/deliveries", headers=user.headers).get_json()["data"]
    return data


def test_a_webhook_is_told_under_a_signature_that_its_owner_can_check(
    client: FlaskClient, database: Database, user: SignedIn, other: SignedIn, receiver: Receiver, worker: WorkerServices
) -> None:
    made = add(client, user, receiver.url)
    answer = client.post(f"/api/webhooks/{made['id']}/test", headers=user.headers)
    assert (answer.status_code, answer.get_json()["data"]["state"]) == (202, "pending")
    assert work(worker) == 1
    [told] = receiver.told
    expected = hmac.new(made["secret"].encode(), told.timestamp.encode() + b"." + told.body, hashlib.sha256)
    assert told.signature == f"sha256={expected.hexdigest()}"
    assert msgspec.json.decode(told.body)["kind"] == "test"
    [delivery] = log(client, user, made["id"])
    assert (delivery["id"], delivery["state"], delivery["response_status"]) == (told.id, "succeeded", 204)
    [listed] = client.get("/api/webhooks", headers=user.headers).get_json()["data"]
    assert listed == {**made, "secret": None}
    with database.read() as connection:
        assert made["secret"].encode() not in connection.execute(select(models.Webhook.sealed)).scalar_one()
    assert client.get("/api/webhooks", headers=other.headers).get_json()["data"] == []
    for method, path in (("POST", "/test"), ("GET", "/deliveries"), ("DELETE", "")):
        answer = client.open(f"/api/webhooks/{made['id']}{path}", method=method, headers=other.headers)
        assert_problem(answer, 404, "webhook_not_found")
    assert client.delete(f"/api/webhooks/{made['id']}", headers=user.headers).status_code == 200
    assert_problem(client.get(f"/api/webhooks/{made['id']}/deliveries", headers=user.headers), 404, "webhook_not_found")


def test_a_webhook_is_tested_once_at_a_time(
    client: FlaskClient, user: SignedIn, receiver: Receiver, worker: WorkerServices
) -> None:
    made, another = add(client, user, receiver.url), add(client, user, receiver.url)
    path = f"/api/webhooks/{made['id']}/test"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.post(path, headers=user.headers), range(4)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert_problem(client.post(path, headers=user.headers), 409, "test_pending")
    assert client.post(f"/api/webhooks/{another['id']}/test", headers=user.headers).status_code == 202
    assert len(log(client, user, made["id"])) == 1
    assert work(worker) == 2
    assert client.post(path, headers=user.headers).status_code == 202


def test_what_is_not_taken_is_sent_again_under_the_same_id_and_given_up_at_last(
    client: FlaskClient, database: Database, user: SignedIn, receiver: Receiver, worker: WorkerServices
) -> None:
    made = add(client, user, receiver.url)
    receiver.statuses = [500, None, 302, 200]
    receiver.location = "http://127.0.0.1:1/elsewhere"
    client.post(f"/api/webhooks/{made['id']}/test", headers=user.headers)
    seen = []
    for _ in range(4):
        assert work(worker) == 1
        [delivery] = log(client, user, made["id"])
        seen.append((delivery["state"], delivery["attempts"], delivery["response_status"]))
        assert work(worker) == 0  # not before its time
        hurry(database)
    assert seen == [("pending", 1, 500), ("pending", 2, None), ("pending", 3, 302), ("succeeded", 4, 200)]
    assert len({told.id for told in receiver.told}) == 1
    receiver.statuses = [410]
    client.post(f"/api/webhooks/{made['id']}/test", headers=user.headers)
    for _ in range(webhooks.ATTEMPTS):
        assert work(worker) == 1
        hurry(database)
    assert work(worker) == 0
    assert log(client, user, made["id"])[0]["state"] == "failed"


def test_a_receiver_that_drips_is_not_waited_for(
    client: FlaskClient, user: SignedIn, worker: WorkerServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        made = add(client, user, f"http://127.0.0.1:{mute.getsockname()[1]}/")
        client.post(f"/api/webhooks/{made['id']}/test", headers=user.headers)
        work(worker)
    [delivery] = log(client, user, made["id"])
    assert (delivery["state"], delivery["response_status"]) == ("pending", None)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        *(
            (each, False)
            for each in (
                *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"),  # noqa: S104
                *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1"),
                *("64:ff9b::7f00:1", "2002:7f00:1::", "fec0::1", "::7f00:1", "::ffff:0:7f00:1", "64:ff9b:1::808:808"),
                *("192.0.0.192", "3fff::1", "5f00::1"),
            )
        ),
    ],
)
def test_addresses_that_belong_to_nobody_else_are_known(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


@pytest.mark.parametrize(
    ("url", "code"),
    [
        *(
            (f"http://{host}/", "address_refused")
            for host in ("127.0.0.1:8080", "localhost", "[::1]", "169.254.169.254")
        ),
        *((f"http://{host}/", "address_refused") for host in ("2130706433", "0x7f.1", "[::ffff:10.0.0.1]")),
        *((url, "invalid_url") for url in ("ftp://example.com/", "http:///x", "http://a@1.1.1.1/", "http://x:99999/")),
        ("http://1.1.1.1/ HTTP/1.1\r\nX: y", "invalid_url"),
        *((f"http://{host}/", "address_refused") for host in ("LOCALHOST.", "db.localhost")),
    ],
)
def test_addresses_that_must_not_be_reached_are_refused(
    settings: Settings, database: Database, bridge: Any, url: str, code: str
) -> None:
    strict = replace(settings, webhook_private_addresses=False)
    app = create_app(strict, bridge=bridge, database=database)
    user = sign_in(app, database)
    body = assert_problem(app.test_client().post("/api/webhooks", json={"url": url}, headers=user.headers), 422, code)
    assert [error["field"] for error in body["errors"]] == ["url"]
    assert app.test_client().get("/api/webhooks", headers=user.headers).get_json()["data"] == []


def test_no_name_is_looked_up_while_a_user_waits(
    settings: Settings, database: Database, bridge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(replace(settings, webhook_private_addresses=False), bridge=bridge, database=database)
    user = sign_in(app, database)
    real = socket.getaddrinfo
    asked: list[str] = []

    def resolve(host: str, port: int, *, type: int, flags: int = 0) -> Any:
        if not flags & socket.AI_NUMERICHOST:
            asked.append(host)
        return real(host, port, type=type, flags=flags | socket.AI_NUMERICHOST)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    add(app.test_client(), user, "https://hooks.example/told")
    assert asked == []


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", f"{'x' * 64}.example"])
def test_a_name_without_an_address_is_refused_when_it_is_sent_to(host: str) -> None:
    with pytest.raises(Refused) as refused:
        Outbound().post(f"http://{host}/", b"{}", {})
    assert refused.value.code == "not_resolved"


def test_a_name_whose_servers_do_not_answer_is_not_waited_for(
    client: FlaskClient, user: SignedIn, worker: WorkerServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = add(client, user, "http://mute.example/")
    client.post(f"/api/webhooks/{made['id']}/test", headers=user.headers)
    monkeypatch.setattr(outbound, "RESOLVE_SECONDS", 0.2, raising=False)
    end = threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        end.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    work(worker)
    waited = time.monotonic() - began
    end.set()
    assert waited < 30
    [delivery] = log(client, user, made["id"])
    assert (delivery["state"], delivery["error"]) == ("pending", "The name of the host was not resolved in time.")


def test_the_look_up_counts_in_the_time_of_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 60.0)
    real, gone = socket.getaddrinfo, [0.0]
    monkeypatch.setattr(outbound, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + gone[0]))

    def slow(host: str, *rest: Any, **options: Any) -> Any:
        if host == "slow.example":
            gone[0] = 59.5
        return real("127.0.0.1", *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        with pytest.raises(Refused) as refused:
            Outbound(allow_private=True).post(f"http://slow.example:{mute.getsockname()[1]}/", b"{}", {})
    assert refused.value.code == "not_reached"
    assert time.monotonic() - began < 30  # what the look-up left, not a minute anew


def test_a_name_that_means_another_address_later_is_refused_before_anything_is_sent(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ["93.184.216.34", "127.0.0.1"]
    asked: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[min(len(asked), 2) - 1], port))]

    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *a, **k: resolve(host, *a, **k) if host == "moves.example" else real(host, *a, **k),
    )
    url = receiver.url.replace("127.0.0.1", "moves.example")
    strict = Outbound()
    strict.check(url)
    with pytest.raises(Refused) as refused:
        strict.post(url, b"{}", {})
    assert (refused.value.code, receiver.told) == ("address_refused", [])
    # what may be reached is resolved once for each request: there is no moment for another answer
    before = len(asked)
    assert Outbound(allow_private=True).post(url, b"{}", {}) == 204
    assert len(asked) == before + 1


def test_a_worker_that_is_killed_in_the_middle_delivers_everything_under_one_id(
    client: FlaskClient, settings: Settings, database: Database, user: SignedIn, other: SignedIn, receiver: Receiver
) -> None:
    made = {who: add(client, who, receiver.url)["id"] for who in (user, other)}
    with database.write() as session:
        for number in range(20):
            whom = (user, other)[number % 2]  # each has their share of what is done at a time
            notify(session, whom.id, Told("tournament", f"Number {number}", {"n": number}))
    receiver.gate.clear()  # nothing is answered: whoever is killed does not know what was taken
    environment = {
        **os.environ,
        "DATA_DIR": str(settings.data_dir),
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": settings.secret_key,
        "ENCRYPTION_KEYS": settings.encryption_keys,
        "WEBHOOK_PRIVATE_ADDRESSES": "true",
        "JOB_LEASE_SECONDS": "30",
    }
    killed = 0
    for round_ in range(3):
        worker = subprocess.Popen([sys.executable, "-m", "worker"], env=environment)
        before = len(receiver.told)
        until(lambda seen=before: len(receiver.told) >= seen + 3, 90)  # type: ignore[misc]
        if round_ < 2:
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait(60)
            killed += 1
    receiver.gate.set()
    until(lambda: Jobs(database).counts() == {(webhooks.JOB, "succeeded"): 20}, 90)
    worker.terminate()
    assert worker.wait(60) == 0
    assert killed == 2
    deliveries = [delivery for who, webhook in made.items() for delivery in log(client, who, webhook)]
    assert {told.id for told in receiver.told} == {each["id"] for each in deliveries}
    assert len(receiver.told) > 20, "nothing was at work when the worker was killed"
    assert [(each["state"], each["attempts"]) for each in deliveries] == [("succeeded", 1)] * 20


def test_a_secret_is_sealed_anew_and_goes_with_its_user(
    client: FlaskClient, settings: Settings, database: Database, user: SignedIn, receiver: Receiver
) -> None:
    made = add(client, user, receiver.url)
    client.post(f"/api/webhooks/{made['id']}/test", headers=user.headers)
    other = f"k2:{settings.encryption_keys[:2:-1]}"
    assert Rotation(database, Vault.of(f"{other},{settings.encryption_keys}")).run().resealed == 1
    with_the_new_key_alone = build_for_worker(replace(settings, encryption_keys=other))
    assert work(with_the_new_key_alone) == 1
    with_the_new_key_alone.close()
    [told] = receiver.told
    assert told.signature == f"sha256={webhooks.signature(made['secret'].encode(), told.timestamp, told.body)}"
    exported = client.get("/api/auth/me/export", headers=user.headers).get_data(as_text=True)
    assert made["url"] in exported
    assert made["secret"] not in exported
