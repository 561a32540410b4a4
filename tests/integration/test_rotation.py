"""Rotation of the keys that seal: whatever interrupts it, everything can still be read."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import delete, func, insert, select, update

import models
from commands.__main__ import main
from config import Settings
from models import Database
from services.operations.rotation import Rotation
from tests.factories import SignedIn
from tests.settings import ENCRYPTION_KEYS, SECRET
from utils import clock, credentials, ids
from utils.credentials import ApiKeys
from utils.errors import NotReady
from utils.vault import Sealed, Vault

OLD = Vault.of(ENCRYPTION_KEYS)
NEW_KEY = f"k2:{ENCRYPTION_KEYS[:2:-1]}"
RING = f"{NEW_KEY},{ENCRYPTION_KEYS}"
BOTH, NEW = Vault.of(RING), Vault.of(NEW_KEY)
Store = Callable[[int], dict[str, ApiKeys]]


@pytest.fixture
def store(database: Database, user: SignedIn) -> Store:
    def add(count: int) -> dict[str, ApiKeys]:
        stored = {ids.new_id(): ApiKeys(f"canary-key-{n}", f"canary-secret-{n}", None) for n in range(count)}
        moment = clock.now()
        rows = []
        for credential_id, keys in stored.items():
            sealed = credentials.seal(OLD, keys, user.id, "binance", credential_id)
            rows.append(
                {
                    "id": credential_id,
                    "user_id": user.id,
                    "name": credential_id,
                    "exchange": "binance",
                    "key_hint": keys.hint,
                    "sealed": sealed.blob,
                    "key_id": sealed.key_id,
                    "status": "verified",
                    "created_at": moment,
                    "updated_at": moment,
                }
            )
        with database.write() as session:
            session.execute(insert(models.Credential), rows)
        return stored

    return add


def readable(database: Database, vault: Vault) -> dict[str, ApiKeys]:
    with database.read() as connection:
        rows = connection.execute(select(models.Credential.__table__)).all()
    return {
        row.id: credentials.open(vault, Sealed(row.key_id, row.sealed), row.user_id, row.exchange, row.id)
        for row in rows
    }


def environment(settings: Settings, keys: str = RING) -> dict[str, str]:
    return {
        "DATA_DIR": str(settings.data_dir),
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": SECRET,
        "ENCRYPTION_KEYS": keys,
    }


def rotate(settings: Settings, keys: str = RING) -> Result:
    return CliRunner().invoke(main, ["rotate-keys"], env=environment(settings, keys), catch_exceptions=False)


def test_seals_everything_anew_and_tells_which_key_may_go(settings: Settings, database: Database, store: Store) -> None:
    stored = store(5)
    with database.read() as connection:
        before = connection.execute(select(models.Credential.id, models.Credential.updated_at)).all()

    result = rotate(settings)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "5 sealed anew under k2\nk1: no row needs it; it may be removed\n"
    assert readable(database, NEW) == stored
    with database.read() as connection:
        assert connection.execute(select(models.Credential.id, models.Credential.updated_at)).all() == before
        actions = connection.execute(select(models.AuditEntry.action, models.AuditEntry.target)).all()
    assert {target for action, target in actions if action == "credential.resealed"} == set(stored)
    assert rotate(settings).stdout.startswith("0 sealed anew")


def test_what_cannot_be_opened_stays_and_is_told(settings: Settings, database: Database, store: Store) -> None:
    broken, fine = list(store(2))
    with database.write() as session:
        session.execute(update(models.Credential).where(models.Credential.id == broken).values(sealed=b"\x01garbage"))

    result = rotate(settings)

    assert result.exit_code == 1
    assert "1 sealed anew under k2" in result.stdout
    assert "k1: 1 still need it" in result.stdout
    assert result.stderr == f"credential {broken} cannot be opened\n"
    with database.read() as connection:
        row = models.Credential
        kept = dict(connection.execute(select(row.id, row.key_id)).all())
    assert kept == {broken: "k1", fine: "k2"}


def test_a_key_that_is_missing_is_named(settings: Settings, database: Database, store: Store) -> None:
    stored = store(1)
    result = rotate(settings, NEW_KEY)
    assert result.exit_code == 1
    assert "k1: 1 need it, and ENCRYPTION_KEYS lacks it" in result.stderr
    assert readable(database, OLD) == stored


def test_keys_that_came_in_meanwhile_are_not_overwritten(
    database: Database, user: SignedIn, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    [credential_id] = store(1)
    fresh = ApiKeys("a-fresh-key-of-the-user", "a-fresh-secret-of-the-user")
    seal = credentials.seal
    calls: list[str] = []

    def replaced_meanwhile(vault: Vault, keys: ApiKeys, *place: str) -> Sealed:
        if not calls:
            other = seal(OLD, fresh, *place)
            with database.write() as session:
                session.execute(update(models.Credential).values(sealed=other.blob, key_id=other.key_id))
        calls.append(credential_id)
        return seal(vault, keys, *place)

    monkeypatch.setattr(credentials, "seal", replaced_meanwhile)
    report = Rotation(database, BOTH).run()

    assert len(calls) == 2
    assert (report.resealed, report.needs) == (1, Counter({"k2": 1}))
    assert readable(database, NEW) == {credential_id: fresh}


def test_keys_deleted_meanwhile_stay_deleted(database: Database, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store(3)
    seal = credentials.seal

    def deleted_meanwhile(vault: Vault, keys: ApiKeys, *place: str) -> Sealed:
        with database.write() as session:
            session.execute(delete(models.Credential))
        return seal(vault, keys, *place)

    monkeypatch.setattr(credentials, "seal", deleted_meanwhile)
    assert Rotation(database, BOTH).run().resealed == 0
    assert readable(database, BOTH) == {}


def test_an_empty_ring_changes_nothing(database: Database, store: Store) -> None:
    stored = store(1)
    with pytest.raises(NotReady):
        Rotation(database, Vault.of("")).run()
    assert readable(database, OLD) == stored


def test_killed_at_any_point_it_leaves_everything_readable(
    settings: Settings, database: Database, store: Store
) -> None:
    stored = store(150)
    chance = random.Random(1)
    killed = 0
    while (done := resealed(database)) < len(stored):
        process: Any = subprocess.Popen(
            [sys.executable, "-m", "commands", "rotate-keys"],
            env={**os.environ, **environment(settings)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        target = done + chance.randint(1, 40)
        while process.poll() is None and resealed(database) < target:
            time.sleep(chance.random() * 0.005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
        assert readable(database, BOTH) == stored
    assert killed >= 3
    result = rotate(settings)
    assert "k1: no row needs it; it may be removed" in result.stdout
    assert readable(database, NEW) == stored


def resealed(database: Database) -> int:
    with database.read() as connection:
        query = select(func.count()).where(models.Credential.key_id == "k2")
        return int(connection.execute(query).scalar_one())
