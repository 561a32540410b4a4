"""Disks that are full or read-only, databases that are locked or away: refused, nothing half done, back by itself."""

from __future__ import annotations

import dataclasses
import os
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, make_url, text

import models
from app import create_app
from config import Settings
from engine.journal.journal import Journal
from engine.journal.unit import Line, Unit
from models import Database
from models.database import Transaction
from tests.books import differences, rows
from tests.contract.exchange import SYMBOL
from tests.databases import Factory, run_on
from tests.engine_host import EngineHost
from tests.factories import SignedIn, sign_in
from tests.manual_market import ManualMarket
from tests.problems import assert_problem
from utils.errors import EngineTimeout, StorageUnavailable
from utils.octobot_bridge import OctoBotBridge, UnixTransport
from utils.wire import Actor, Order, OrderTicket, PlaceOrder

BACK_SECONDS = 60
Place = Callable[..., Order]


@pytest.fixture
def place(host: EngineHost, engine_bridge: OctoBotBridge, market: ManualMarket, user: SignedIn) -> Place:
    market.set_price(SYMBOL, Decimal(50_000))
    host.tick()

    def place(price: int | None = None, side: str = "buy", key: str | None = None) -> Order:
        fields: dict[str, Any] = {"type": "limit", "price": Decimal(price)} if price else {"type": "market"}
        ticket = OrderTicket(symbol=SYMBOL, side=side, amount=Decimal("0.001"), **fields)  # type: ignore[arg-type]
        actor = Actor(user_id=user.id)
        return engine_bridge.place_order(
            PlaceOrder(actor=actor, account=user.account_id, ticket=ticket, idempotency_key=key)
        )

    return place


def until_it_works(work: Callable[[], Order]) -> Order:
    """Do it again, as a client does that is told to come back, or that got no answer and has a key."""
    end = time.monotonic() + BACK_SECONDS
    while True:
        try:
            return work()
        except (StorageUnavailable, EngineTimeout) as error:
            assert error.retry_after or isinstance(error, EngineTimeout)
            assert time.monotonic() < end, "it does not come back"
            time.sleep(0.1)


@contextmanager
def statement_on_each_connection(database: Database, statement: str) -> Iterator[None]:
    """Run `statement` whenever a connection is taken from the pool."""

    def run(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute(statement)

    event.listen(database.engine, "checkout", run)
    yield
    event.remove(database.engine, "checkout", run)


@pytest.fixture
def file(database: Database) -> Path:
    if database.path is None:
        pytest.skip("PostgreSQL has no file of ours")
    return database.path


FULL = ("PRAGMA max_page_count=1", "PRAGMA max_page_count=1073741823")
READ_ONLY = ("PRAGMA query_only=ON", "PRAGMA query_only=OFF")


def stored(database: Database) -> list[int]:
    return [len(rows(database, table)) for table in (models.Order, models.Trade, models.LedgerEntry, models.Event)]


@pytest.mark.parametrize("fault", [FULL, READ_ONLY], ids=["full", "read-only"])
def test_a_file_that_takes_nothing_more(
    host: EngineHost,
    place: Place,
    database: Database,
    file: Path,
    market: ManualMarket,
    engine_bridge: OctoBotBridge,
    fault: tuple[str, str],
) -> None:
    resting = place(49_000)
    journal = host.engine._journal_database
    with statement_on_each_connection(journal, fault[0]):
        for number in range(200):  # pages that are allocated already take some rows
            before = stored(database)
            try:
                place(key=f"key-{number}")
            except StorageUnavailable:
                break
        with pytest.raises(StorageUnavailable):
            place()
        market.set_price(SYMBOL, Decimal(48_900))  # touches the resting order, which cannot fill now
        with suppress(StorageUnavailable):
            host.tick()
        assert stored(database) == before
    with statement_on_each_connection(journal, fault[1]):
        assert until_it_works(place).status == "filled"
        host.tick()
        assert {row.id: row.status for row in rows(database, models.Order)}[resting.id] == "filled"
        assert differences(database, engine_bridge) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "disk"
    directory.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", directory], check=False, capture_output=True
    )
    if done.returncode != 0:
        pytest.skip("needs the right to mount a small disk")
    yield directory
    subprocess.run(["umount", "--lazy", directory], check=True)


def fill(disk: Path) -> Path:
    """Leave not a byte free."""
    ballast = disk / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while True:
            os.write(descriptor, bytes(4096))
    os.close(descriptor)
    return ballast


def test_a_full_disk_is_503_and_nothing_else(
    small_disk: Path, new_database: Factory, settings: Settings, database: Database, file: Path
) -> None:
    database = new_database(small_disk)
    url = database.engine.url.render_as_string(hide_password=False)
    settings = dataclasses.replace(settings, database_url=url)
    market = ManualMarket()
    market.set_price(SYMBOL, Decimal(50_000))
    host = EngineHost(settings, market)
    host.start()
    bridge = OctoBotBridge(UnixTransport(settings.engine_socket), timeout=30)
    app: Flask = create_app(settings, bridge=bridge, database=database)
    user = sign_in(app, database)
    client = app.test_client()
    body = {"symbol": SYMBOL, "side": "buy", "type": "market", "amount": "0.001"}

    def post(number: int) -> Any:
        headers = {**user.headers, "Idempotency-Key": f"key-{number}"}
        return client.post("/api/trading/orders", json=body, headers=headers)

    try:
        assert post(0).status_code == 201
        ballast = fill(small_disk)
        answers = [post(number) for number in range(1, 100)]
        refused = [answer for answer in answers if answer.status_code != 201]
        assert len(refused) > 50  # some rows fit into what the log has taken already
        for answer in refused:
            assert_problem(answer, 503, "storage_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        assert client.get("/api/trading/orders", headers=user.headers).status_code == 200
        assert len(rows(database, models.Order)) == 100 - len(refused)
        ballast.unlink()
        end = time.monotonic() + BACK_SECONDS
        for number in range(1, 100):
            while post(number).status_code != 201:
                assert time.monotonic() < end, "it does not come back"
                time.sleep(0.1)
        assert len(rows(database, models.Order)) == 100
        assert differences(database, bridge) == []
    finally:
        host.close()
        database.close()


def test_a_lock_that_lasts_is_refused_in_time(
    host: EngineHost, place: Place, database: Database, file: Path, engine_bridge: OctoBotBridge
) -> None:
    place()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(StorageUnavailable):
            place()
        assert time.monotonic() - began < 4
        assert len(rows(database, models.Order)) == 1
        other.execute("ROLLBACK")
    assert until_it_works(place).status == "filled"
    assert differences(database, engine_bridge) == []


def test_overlapping_readers_do_not_let_the_log_grow_for_ever(
    database: Database, file: Path, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.journal.journal.LOG_LIMIT", 2**20)
    monkeypatch.setattr("engine.journal.journal.LOG_PAUSE", 0.0)  # as much as is written in a pause comes on top
    monkeypatch.setattr(
        "engine.journal.journal.LOG_PATIENCE", 5.0
    )  # the readers of a busy machine end late, but they end
    journal, over = Journal(database), threading.Event()
    log = Path(f"{file}-wal")

    def read(delay: float) -> None:
        time.sleep(delay)
        while not over.is_set():
            with database.read() as connection:
                connection.execute(text("SELECT count(*) FROM users"))
                time.sleep(0.06)

    readers = [threading.Thread(target=read, args=(number * 0.02,)) for number in range(3)]
    for reader in readers:
        reader.start()
    highest = 0
    for _ in range(600):
        made = Unit(Line(user.account_id, user.id))
        made.record("x" * 60, Actor(user_id=user.id, request_id="y" * 60), "z" * 100)
        assert journal._commit([made]) == [None]
        journal._tidy()
        highest = max(highest, log.stat().st_size)
    over.set()
    for reader in readers:
        reader.join()
    assert highest < 6 * 2**20  # three times that without


class Cutting:
    """A way to PostgreSQL that is cut at the next COMMIT: before the server has it, or before its answer comes."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self.cut: str | None = None
        self.kept: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for each in self.kept:
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self.kept += [client, server]
                threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
                threading.Thread(target=self._back, args=(client, server), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while received := client.recv(65536):
                if self.cut is not None and b"COMMIT" in received:
                    if self.cut == "after":
                        server.sendall(received)
                    self.cut = None
                    client.shutdown(socket.SHUT_RDWR)  # the server is told nothing: its side stays open
                    return
                server.sendall(received)
            server.close()

    def _back(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while received := server.recv(65536):
                client.sendall(received)
            client.close()


@pytest.fixture
def cutting(database: Database) -> Iterator[Cutting]:
    if database.is_sqlite:
        pytest.skip("SQLite is no server")
    url = database.engine.url
    made = Cutting((url.host or "127.0.0.1", url.port or 5432))
    yield made
    made.close()


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Lead the engine to the database by the way that can be cut, where a test has one."""
    if "cutting" not in request.fixturenames:
        return settings
    host, port = request.getfixturevalue("cutting").address
    url = make_url(settings.database_url).set(host=host, port=port)
    return dataclasses.replace(settings, database_url=url.render_as_string(hide_password=False))


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_commit_that_is_cut_off_is_found_out(
    cutting: Cutting, place: Place, database: Database, engine_bridge: OctoBotBridge, cut: str
) -> None:
    place()
    cutting.cut = cut
    if cut == "after":
        assert place(key="cut").status == "filled"
    else:
        with pytest.raises(StorageUnavailable):
            place(key="cut")
        assert len(rows(database, models.Order)) == 1
    assert until_it_works(lambda: place(key="cut")).status == "filled"
    assert len(rows(database, models.Order)) == 2
    assert differences(database, engine_bridge) == []


def test_a_transaction_that_another_server_never_heard_of_did_not_happen(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite is no server")
    assert database.outcome(Transaction(10**15, 1)) is False
    with database.write() as session:
        transaction = database.transaction(session.connection())
    assert transaction is not None
    assert database.outcome(transaction) is True


def test_a_server_that_comes_and_goes_loses_and_doubles_nothing(
    place: Place, database: Database, engine_bridge: OctoBotBridge
) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite is no server")
    place()
    placed: list[str] = []
    over = threading.Event()

    def trade() -> None:
        while not over.is_set():
            key = f"key-{len(placed)}"
            side = "sell" if len(placed) % 2 else "buy"
            placed.append(until_it_works(lambda: place(key=key, side=side)).id)  # noqa: B023 - called at once

    thread = threading.Thread(target=trade)
    thread.start()
    url = database.engine.url
    for _ in range(10):
        enough = time.monotonic() + BACK_SECONDS
        before = len(placed)
        while len(placed) < before + 2 and time.monotonic() < enough:  # it trades again
            time.sleep(0.05)
        ours = f"datname = '{url.database}' AND pid <> pg_backend_pid()"
        run_on(url.set(database="postgres"), f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
    over.set()
    thread.join(BACK_SECONDS)
    assert len(set(placed)) == len(placed) > 10
    assert {row.id for row in rows(database, models.Order)} >= set(placed)
    assert len(rows(database, models.Order)) == len(placed) + 1
    assert differences(database, engine_bridge) == []
