"""A SQLite file that is deleted or replaced under a running installation."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import make_url

from config import Settings
from models import Database
from tests.factories import SignedIn, post_sign_up
from tests.problems import assert_problem


@pytest.fixture
def file(settings: Settings, database: Database) -> Path:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL has no file of ours")
    path = make_url(settings.database_url).database
    assert path is not None
    return Path(path)


def test_nothing_is_written_into_a_deleted_file(client: FlaskClient, user: SignedIn, file: Path) -> None:
    away = file.rename(file.with_suffix(".away"))

    refused = post_sign_up(client)
    assert_problem(refused, 503, "storage_unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    assert_problem(client.get("/api/auth/me", headers=user.headers), 503, "storage_unavailable")

    away.rename(file)
    assert post_sign_up(client).status_code == 201


def test_nor_beside_a_replaced_one(client: FlaskClient, user: SignedIn, file: Path) -> None:
    copy = file.with_suffix(".copy")
    copy.write_bytes(file.read_bytes())
    copy.rename(file)

    assert_problem(post_sign_up(client), 503, "storage_unavailable")
    assert_problem(client.get("/api/accounts", headers=user.headers), 503, "storage_unavailable")
