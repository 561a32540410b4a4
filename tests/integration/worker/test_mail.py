"""E-mail: to confirmed addresses alone, several things in one, again until it is taken, and written down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

import models
from app import create_app
from config import Settings, SettingsError
from models import Database
from services import WorkerServices
from services.notifications import mail
from services.notifications.mail_addresses import A_DAY
from services.notifications.notifications import Told, notify
from tests.factories import PASSWORD, SignedIn, audit_rows
from tests.integration.worker.mail_server import LOGIN, MailServer
from tests.integration.worker.working import LEASE, hurry, work
from tests.problems import assert_problem
from utils import clock
from utils.errors import NotReady, Refused
from utils.smtp import Mail, Mailer

EMAIL = "/api/notifications/email"
FILL = Told("fill", "Bought 1 BTC/USDT at 50000", {"symbol": "BTC/USDT"})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    made = MailServer(tmp_path).start()
    yield made
    made.close()


@pytest.fixture
def settings(settings: Settings, server: MailServer) -> Settings:
    return replace(settings, smtp_url=server.url, mail_from="trading@example.org")


def post(client: FlaskClient, who: SignedIn, path: str, body: Any = None) -> Any:
    return client.post(f"{EMAIL}/{path}", json=body, headers=who.headers)


def state(client: FlaskClient, who: SignedIn) -> Any:
    return client.get(EMAIL, headers=who.headers).get_json()["data"]


def code(server: MailServer) -> str:
    found = re.search(r"\b\d{8}\b", server.mails[-1].get_content())
    assert found is not None
    return found.group()


def confirm(client: FlaskClient, who: SignedIn, server: MailServer, worker: WorkerServices) -> None:
    assert post(client, who, "code").status_code == 202
    assert work(worker) == 1
    assert post(client, who, "confirm", {"code": code(server)}).status_code == 200
    server.mails.clear()
    server.recipients.clear()
    ways = {"settings": [{"kind": "fill", "in_app": False, "webhook": False, "email": True}]}
    assert client.put("/api/notifications/settings", json=ways, headers=who.headers).status_code == 200


def tell(database: Database, who: SignedIn, told: Told = FILL) -> None:
    with database.write() as session:
        notify(session, who.id, told)


def wait(database: Database) -> None:
    """Let what waits for more wait no longer."""
    with database.write() as session:
        session.execute(update(models.MailDelivery).values(created_at=clock.now() - mail.GATHER))


def log(client: FlaskClient, who: SignedIn) -> list[Any]:
    found: list[Any] = client.get(f"{EMAIL}/deliveries", headers=who.headers).get_json()["data"]
    return found


def test_another_address_is_proved_anew_and_the_former_one_is_told(
    client: FlaskClient, database: Database, user: SignedIn, server: MailServer, worker: WorkerServices
) -> None:
    def change(email: str) -> Any:
        wanted = {"email": email, "password": PASSWORD}
        return client.post("/api/auth/email", json=wanted, headers=user.headers).get_json()["data"]

    confirm(client, user, server, worker)
    with database.write() as session:  # the code was asked for a while ago
        session.execute(update(models.MailAddress).values(asked_at=clock.now() - A_DAY))
    assert change("else@example.com") == {"email": "else@example.com", "is_confirmed": False, "is_available": True}
    tell(database, user)
    assert work(worker) == 2
    mails = dict(zip(server.recipients, server.mails, strict=True))
    assert set(mails) == {user.email, "else@example.com"}
    assert "another e-mail address" in mails[user.email].get_content()
    assert "else@example.com" not in mails[user.email].get_content()
    sent = re.search(r"\b\d{8}\b", mails["else@example.com"].get_content())
    assert sent is not None
    assert log(client, user) == []  # nothing is told to an address that nobody proved
    assert post(client, user, "confirm", {"code": sent.group()}).get_json()["data"]["is_confirmed"] is True
    assert change("else@example.com")["is_confirmed"] is True  # the same one again
    assert change("third@example.com")["is_confirmed"] is False  # too early for a code, which may be asked for later
    assert work(worker) == 1
    assert server.recipients[-1] == "else@example.com"


def test_an_address_is_confirmed_by_the_code_that_was_sent_there(
    client: FlaskClient, database: Database, user: SignedIn, other: SignedIn, server: MailServer, worker: WorkerServices
) -> None:
    assert state(client, user) == {"email": user.email, "is_confirmed": False, "is_available": True}
    assert post(client, user, "code").status_code == 202
    early = assert_problem(post(client, user, "code"), 429, "code_sent")
    assert "last minute" in early["detail"]
    assert_problem(post(client, user, "confirm", {"code": "12345678"}), 422, "wrong_code")
    assert work(worker) == 1
    assert server.recipients == [user.email]
    sent = code(server)
    assert_problem(post(client, other, "confirm", {"code": sent}), 422, "wrong_code")
    assert_problem(post(client, user, "confirm", {"code": "zero"}), 422, "validation_failed")
    assert post(client, user, "confirm", {"code": sent}).get_json()["data"]["is_confirmed"] is True
    actions = [action for action, _, _ in audit_rows(database)]
    assert actions[-2:] == ["email.code_asked", "email.confirmed"]
    assert_problem(post(client, user, "code"), 409, "email_confirmed")
    assert_problem(post(client, user, "confirm", {"code": sent}), 422, "wrong_code")
    with database.write() as session:  # another address is another matter
        session.execute(update(models.User).where(models.User.id == user.id).values(email="else@example.com"))
    assert state(client, user)["is_confirmed"] is False


def test_a_code_is_good_for_a_while_and_for_a_few_guesses(
    client: FlaskClient, database: Database, user: SignedIn, server: MailServer, worker: WorkerServices
) -> None:
    post(client, user, "code")
    work(worker)
    sent = code(server)
    wrong = f"{(int(sent) + 1) % 10**8:08}"
    for _ in range(5):
        assert_problem(post(client, user, "confirm", {"code": wrong}), 422, "wrong_code")
    assert_problem(post(client, user, "confirm", {"code": sent}), 422, "wrong_code")
    past = clock.now() - timedelta(minutes=2)
    with database.write() as session:
        session.execute(update(models.MailAddress).values(asked_at=past))
    assert post(client, user, "code").status_code == 202
    work(worker)
    with database.write() as session:
        session.execute(update(models.MailAddress).values(good_until=past))
    assert_problem(post(client, user, "confirm", {"code": code(server)}), 422, "wrong_code")


def asked(database: Database, ago: timedelta) -> None:
    """Let the last code have been asked for so long ago."""
    with database.write() as session:
        session.execute(update(models.MailAddress).values(asked_at=clock.now() - ago))


def test_codes_come_with_growing_pauses_and_five_a_day_to_an_address(
    client: FlaskClient, database: Database, user: SignedIn, other: SignedIn
) -> None:
    assert post(client, user, "code").status_code == 202
    for wait in (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(minutes=120)):
        asked(database, wait - timedelta(seconds=40))
        early = post(client, user, "code")
        assert_problem(early, 429, "code_sent")
        assert 0 < int(early.headers["Retry-After"]) <= 41
        asked(database, wait)
        assert post(client, user, "code").status_code == 202

    asked(database, A_DAY)
    full = post(client, user, "code")
    assert "5 codes" in assert_problem(full, 429, "code_sent")["detail"]
    assert 80_000 < int(full.headers["Retry-After"]) <= 86_401

    with database.write() as session:  # somebody else has the address now: that makes it nobody's who has proved it
        for who, email in ((user, "else@example.com"), (other, user.email)):
            named = {"email": email, "email_key": email}
            session.execute(update(models.User).where(models.User.id == who.id).values(**named))
    assert_problem(post(client, other, "code"), 429, "code_sent")
    with database.write() as session:  # as if all that had been a day earlier
        for job in session.execute(select(models.Job.id, models.Job.key, models.Job.created_at)).all():
            kind, address, day, number = job.key.split(":")
            before = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC) - A_DAY
            moved = {"key": f"{kind}:{address}:{before:%Y%m%d}:{number}", "created_at": job.created_at - A_DAY}
            session.execute(update(models.Job).where(models.Job.id == job.id).values(**moved))
    assert post(client, other, "code").status_code == 202


def test_what_happens_within_a_minute_goes_into_one_mail_and_each_thing_once(
    client: FlaskClient, database: Database, user: SignedIn, other: SignedIn, server: MailServer, worker: WorkerServices
) -> None:
    tell(database, user)  # nobody has confirmed anything
    confirm(client, user, server, worker)
    tell(database, user)
    tell(database, user, FILL._replace(title="Sold 1 BTC/USDT at 51000"))
    tell(database, user, Told("tournament", "It begins", {}))  # not wanted by e-mail
    tell(database, other)
    worker.mails.gather()
    assert work(worker) == 0  # more may come
    wait(database)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: worker.mails.gather(), range(4)))
    assert work(worker) == 1
    [told] = server.mails
    assert (told["To"], told["From"], told["Subject"]) == (user.email, "trading@example.org", "2 things happened")
    lines = told.get_content().splitlines()
    assert lines[0].endswith("UTC  Bought 1 BTC/USDT at 50000")
    assert lines[1].endswith("UTC  Sold 1 BTC/USDT at 51000")
    worker.mails.gather()
    assert work(worker) == 0
    deliveries = log(client, user)
    assert {each["state"] for each in deliveries} == {"succeeded"}
    assert len({each["mail_id"] for each in deliveries}) == 1
    assert log(client, other) == []
    tell(database, user)
    wait(database)
    worker.mails.gather()
    assert work(worker) == 1
    assert server.mails[-1]["Subject"] == FILL.title


def test_more_than_fits_into_a_mail_goes_into_the_next(
    client: FlaskClient,
    database: Database,
    user: SignedIn,
    server: MailServer,
    worker: WorkerServices,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mail, "MOST_IN_A_MAIL", 3)
    confirm(client, user, server, worker)
    for number in range(7):
        tell(database, user, FILL._replace(title=f"Fill {number}"))
    assert post(client, user, "test").status_code == 202
    for _ in range(3):
        worker.mails.gather()
        assert work(worker) == 1
        wait(database)
    worker.mails.gather()
    assert work(worker) == 0
    told = [line.partition(" UTC  ")[2] for each in server.mails for line in each.get_content().splitlines()]
    assert [title for title in told if title] == [*(f"Fill {number}" for number in range(7)), "This is a test"]


def test_what_is_not_taken_is_sent_again_under_the_same_id_and_given_up_at_last(
    client: FlaskClient, database: Database, user: SignedIn, server: MailServer, worker: WorkerServices
) -> None:
    confirm(client, user, server, worker)
    server.answers = ["451 later", "250 OK"]
    assert post(client, user, "test").status_code == 202
    assert_problem(post(client, user, "test"), 409, "test_pending")
    worker.mails.gather()
    seen = []
    for _ in range(2):
        assert work(worker) == 1
        [delivery] = log(client, user)
        seen.append((delivery["state"], delivery["attempts"]))
        worker.mails.gather()
        assert work(worker) == 0  # not before its time
        hurry(database)
    assert seen == [("pending", 1), ("succeeded", 2)]
    assert len({told["Message-ID"] for told in server.mails}) == 1
    server.answers = ["554 no"]
    post(client, user, "test")
    worker.mails.gather()
    assert work(worker) == 1
    newest = log(client, user)[0]
    assert (newest["state"], newest["error"]) == ("failed", "The mail server refused it for good (554).")
    hurry(database)
    assert work(worker) == 0
    server.close()
    post(client, user, "test")
    worker.mails.gather()
    for _ in range(mail.ATTEMPTS):
        assert work(worker) == 1
        hurry(database)
    assert work(worker) == 0
    assert log(client, user)[0]["state"] == "failed"


def test_a_worker_that_ends_after_the_server_took_a_mail_sends_it_under_the_same_id(
    client: FlaskClient,
    database: Database,
    user: SignedIn,
    server: MailServer,
    worker: WorkerServices,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    confirm(client, user, server, worker)
    tell(database, user)
    wait(database)
    worker.mails.gather()
    [run] = worker.jobs.take("first", {mail.JOB: 1}, LEASE)

    def ended(*_: Any, **__: Any) -> None:
        raise RuntimeError("ended here")

    with monkeypatch.context() as patched:
        patched.setattr(mail, "_subject", lambda _: patched.setattr(mail, "_change", ended) or "once")
        with pytest.raises(RuntimeError, match="ended here"):
            worker.mails.deliver(run)
    worker.jobs.recover("first")
    tell(database, user, FILL._replace(title="later"))  # this belongs into another mail
    assert work(worker) == 1
    first, second = server.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert "later" not in second.get_content()
    assert [each["state"] for each in log(client, user)] == ["pending", "succeeded"]


def test_without_a_server_nothing_is_promised(settings: Settings, database: Database, user: SignedIn) -> None:
    client = create_app(replace(settings, smtp_url=""), database=database).test_client()
    assert state(client, user)["is_available"] is False
    assert_problem(post(client, user, "code"), 409, "mail_not_configured")
    assert_problem(post(client, user, "test"), 409, "mail_not_configured")


def test_a_mail_needs_a_confirmed_address(client: FlaskClient, user: SignedIn) -> None:
    assert_problem(post(client, user, "test"), 409, "email_not_confirmed")


def test_passwords_go_over_tls_alone_and_nothing_smuggles_headers(
    tmp_path: Path, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure = MailServer(tmp_path, tls=True).start()
    user, password = "trading", "p%40ss%3Aword%2F5"
    told = Mail(id="1", to="ada@example.com", subject="Hello\r\nBcc: eve@example.com", text="Grüße\n.\nend")
    try:
        login = f"smtp://{user}:{password}@127.0.0.1"
        with pytest.raises(NotReady, match="SSL"):  # nobody vouches for it
            Mailer(f"{login}:{secure.port}", "trading@example.org").send(told)
        assert secure.logins == []
        monkeypatch.setenv("SSL_CERT_FILE", str(secure.certificate))
        Mailer(f"{login}:{secure.port}", "trading@example.org").send(told)
        assert secure.logins == [LOGIN]
        [mail_] = secure.mails
        assert (mail_["Subject"], mail_["Bcc"]) == ("Hello Bcc: eve@example.com", None)
        assert secure.recipients == ["ada@example.com"]
        assert mail_.get_content().split() == ["Grüße", ".", "end"]
        with pytest.raises(NotReady, match="535"):
            Mailer(f"smtp://{user}:wrong@127.0.0.1:{secure.port}", "trading@example.org").send(told)
        with pytest.raises(NotReady):  # this one offers no TLS: the password stays here
            Mailer(f"{login}:{server.port}", "trading@example.org").send(told)
    finally:
        secure.close()
    for address in ("ada@example.com\r\nRCPT TO:<eve@example.com>", "ada@example.com\nX: y"):
        with pytest.raises(Refused):
            Mailer(server.url, "trading@example.org").send(replace(told, to=address))
    assert server.mails == []


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("http://localhost", "a@b.c"),
        ("smtp://", "a@b.c"),
        ("smtp://mail/path", "a@b.c"),
        ("smtp://mail:none", "a@b.c"),
        ("smtp://mail", ""),
        ("smtp://mail", "nobody"),
        ("smtp://mail", "a b@c.d"),
    ],
)
def test_a_mail_server_that_cannot_be_one_ends_the_start(tmp_path: Path, url: str, sender: str) -> None:
    with pytest.raises(SettingsError, match="SMTP_URL, MAIL_FROM"):
        Settings.from_env({"DATA_DIR": str(tmp_path), "SMTP_URL": url, "MAIL_FROM": sender})
