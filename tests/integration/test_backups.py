"""Backups: whole while everybody writes, and restored without a lost, doubled or missed thing."""

from __future__ import annotations

import dataclasses
import fcntl
import itertools
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import create_engine, insert, select, update

import migrations
import models
from config import Settings
from models import Database
from models.events import RECONCILE
from services import backups
from services.backups import Backup, Restored
from services.backups.past import JUMP
from tests import databases, healthy_books
from tests.books import differences, rows
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.integration.test_commands import run
from tests.manual_market import ManualMarket
from utils import clock
from utils.errors import Conflict, NotReady
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, OrderTicket, PlaceOrder

Restore = Callable[[Backup], Restored]


@pytest.fixture
def books(database: Database) -> dict[str, str]:
    return healthy_books.write(database, healthy_books.add_owner(database))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """Open the database anew: what had it open before a restore refuses the new one."""
    database = Database(settings.database_url)
    yield database
    database.close()


@pytest.fixture
def restore(database: Database, settings: Settings) -> Iterator[Restore]:
    """Restore a backup; what was replaced is gone after the test."""
    replaced: list[str | None] = []

    def do(made: Backup) -> Restored:
        database.close()
        done = backups.restore(settings, made.file)
        replaced.append(done.replaced)
        return done

    yield do
    if not database.is_sqlite:
        for name in replaced:
            databases.run_on(database.engine.url.set(database="postgres"), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def busy(
    host: EngineHost, engine_bridge: OctoBotBridge, market: ManualMarket, user: SignedIn
) -> Iterator[threading.Event]:
    """Place orders all the time until the event is set."""
    market.set_price(SYMBOL, Decimal(50_000))
    host.tick()
    over = threading.Event()

    def trade() -> None:
        actor = Actor(user_id=user.id)
        for number in itertools.count(1):
            if over.is_set():
                return
            fields: dict[str, Any] = {"type": "market", "side": "buy" if number % 2 else "sell"}
            if number % 20 == 0:
                fields = {"type": "limit", "side": "buy", "price": Decimal(40_000)}
            ticket = OrderTicket(symbol=SYMBOL, amount=Decimal("0.0002"), **fields)
            command = PlaceOrder(actor=actor, account=user.account_id, ticket=ticket, idempotency_key=str(number))
            engine_bridge.place_order(command)

    thread = threading.Thread(target=trade)
    thread.start()
    yield over
    over.set()
    thread.join(30)


def test_a_backup_under_load_is_restored_whole(
    busy: threading.Event,
    host: EngineHost,
    engine_bridge: OctoBotBridge,
    database: Database,
    settings: Settings,
    directory: Path,
    restore: Restore,
) -> None:
    # several: a copy that is torn is torn only now and then
    made = [backups.backup(settings, directory) for _ in range(3)]
    assert [each.differences for each in made] == [[], [], []]
    assert all(stat.S_IMODE(each.file.stat().st_mode) == 0o600 for each in made)
    assert {file.name for file in directory.iterdir()} == {each.file.name for each in made}
    busy.set()
    host.stop()
    later = len(rows(database, models.Order))
    database.close()

    restore(made[-1])
    with opened(settings) as restored:
        assert differences(restored) == []
        assert 0 < len(rows(restored, models.Order)) < later
        host.start()
        assert differences(restored, engine_bridge) == []


def test_clients_are_reset_sessions_end_and_live_accounts_are_marked(
    database: Database, books: dict[str, str], settings: Settings, directory: Path, restore: Restore
) -> None:
    owner = rows(database, models.User)[0].id
    moment = clock.now()
    with database.write() as session:
        session.execute(
            insert(models.Session).values(
                id="s", user_id=owner, created_at=moment, last_used_at=moment, expires_at=moment
            )
        )
    made = backups.backup(settings, directory)
    [counter] = rows(database, models.EventCounter)
    with database.write() as session:  # what happens after the backup
        session.execute(update(models.EventCounter).values(last_id=counter.last_id + 1000))
    assert restore(made).live_accounts == 1

    with opened(settings) as restored:
        assert_renewed(restored, owner, counter.last_id, books)


def assert_renewed(database: Database, owner: str, last_id: int, books: dict[str, str]) -> None:
    last = rows(database, models.Event)[-1]
    assert (last.type, last.user_id, last.id) == ("reset", owner, last_id + JUMP)
    assert rows(database, models.EventCounter)[0].last_id == last.id
    assert [row.revoked_reason for row in rows(database, models.Session)] == ["restored"]
    facts = {row.key: row.value for row in rows(database, models.Installation)}
    latest = max(row.created_at for row in rows(database, models.Event) if row.type != "reset")
    assert facts[f"{RECONCILE}{books['live']}"] == f"{latest:%Y-%m-%dT%H:%M:%S.%fZ}"
    assert "restored_at" in facts
    assert "installation.restored" in {row.action for row in rows(database, models.AuditEntry)}
    assert differences(database) == []


def test_a_restore_is_refused_while_the_product_runs(
    database: Database, books: dict[str, str], settings: Settings, directory: Path, restore: Restore
) -> None:
    made = backups.backup(settings, directory)
    for name in ("supervisor.lock", "engine.lock"):
        with (settings.data_dir / name).open("a") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(Conflict, match="stop it first"):
                restore(made)
    restore(made)


def test_a_database_in_use_is_not_replaced(
    database: Database, books: dict[str, str], settings: Settings, directory: Path
) -> None:
    made = backups.backup(settings, directory)
    before = rows(database, models.Event)
    with database.read() as connection:
        connection.execute(select(models.User)).all()
        with pytest.raises(Conflict, match="in use"):
            backups.restore(settings, made.file)
    assert rows(database, models.Event) == before


def test_what_was_replaced_is_kept(
    database: Database, books: dict[str, str], settings: Settings, directory: Path, restore: Restore
) -> None:
    made = backups.backup(settings, directory)
    with database.write() as session:
        session.execute(update(models.User).values(username="after the backup"))
    replaced = restore(made).replaced
    assert replaced is not None
    url = database.engine.url.set(database=replaced).render_as_string(hide_password=False)
    for name, where in (("ada", settings), ("after the backup", dataclasses.replace(settings, database_url=url))):
        with opened(where) as found:
            assert [row.username for row in rows(found, models.User)] == [name]


def test_a_backup_with_differences_is_kept_and_told_but_not_restored(
    database: Database, books: dict[str, str], settings: Settings, directory: Path
) -> None:
    with database.write() as session:
        session.execute(update(models.Balance).values(total=1))
    database.close()
    result = run(settings, "backup", str(directory))
    file = Path(result.stdout.strip())
    if database.is_sqlite:
        assert result.exit_code == 1
        assert "ledger" in result.stderr
    refused = run(settings, "restore", str(file))
    assert refused.exit_code == 1
    assert "differences" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    restored = run(settings, "restore", str(file), "--accept-differences")
    assert restored.exit_code == 0
    assert "1 live accounts" in restored.stdout


@pytest.fixture
def file(database: Database) -> Path:
    if database.path is None:
        pytest.skip("PostgreSQL has no file of ours")
    return database.path


def test_what_is_no_backup_is_refused(settings: Settings, database: Database, file: Path, tmp_path: Path) -> None:
    before = rows(database, models.Event)
    database.close()
    for name, content in (("text.db", b"this is no database at all" * 100), ("empty.db", b"")):
        (tmp_path / name).write_bytes(content)
        result = run(settings, "restore", str(tmp_path / name))
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
    damaged = tmp_path / "damaged.db"
    whole = backups.backup(settings, tmp_path).file.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    assert run(settings, "restore", str(damaged)).exit_code == 1
    newer = tmp_path / "newer.db"
    newer.write_bytes(whole)
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert "newer version" in run(settings, "restore", str(newer)).stderr
    assert rows(database, models.Event) == before
    assert not list(file.parent.glob("*.restoring*"))


def test_an_older_schema_is_migrated(settings: Settings, database: Database, file: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    with create_engine(f"sqlite:///{old}").begin() as connection:
        config = migrations._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    database.close()
    backups.restore(settings, old)
    with opened(settings) as restored:
        assert migrations.is_current(restored)


def test_a_damaged_database_is_replaced_and_kept(
    settings: Settings, database: Database, books: dict[str, str], file: Path, directory: Path
) -> None:
    made = backups.backup(settings, directory)
    database.close()
    file.write_bytes(b"lightning struck here" * 1000)
    replaced = backups.restore(settings, made.file).replaced
    assert replaced is not None
    assert Path(replaced).read_bytes().startswith(b"lightning")
    with opened(settings) as restored:
        assert differences(restored) == []


def test_secrets_are_beside_the_backup_only_when_asked_for(
    settings: Settings, database: Database, books: dict[str, str], directory: Path
) -> None:
    made = backups.backup(settings, directory)
    assert made.secrets is None
    assert settings.secret_key.encode() not in made.file.read_bytes()
    asked = backups.backup(settings, directory, with_secrets=True)
    assert asked.secrets is not None
    assert f"SECRET_KEY={settings.secret_key}" in asked.secrets.read_text().splitlines()
    assert stat.S_IMODE(asked.secrets.stat().st_mode) == 0o600
    assert "SECRET_KEY" in run(settings, "backup", str(directory)).stderr


def test_a_backup_that_fails_leaves_nothing(
    settings: Settings, database: Database, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.is_sqlite:
        monkeypatch.setattr("services.backups.sqlite._check", fail)
    else:
        monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotReady):
        backups.backup(settings, directory)
    assert list(directory.iterdir()) == []


def fail(_file: Path) -> None:
    raise NotReady("not now")


def test_a_missing_file_is_told(settings: Settings, tmp_path: Path) -> None:
    assert "no file" in run(settings, "restore", str(tmp_path / "none")).stderr
