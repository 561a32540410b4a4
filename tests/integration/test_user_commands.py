"""The commands that look after users: what they do, and that no password is ever an argument."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient

from commands.__main__ import main
from config import Settings
from models import Database
from services.users import api_keys, sessions
from tests.factories import PASSWORD, SignedIn, audit_rows, services_of, with_key
from tests.problems import assert_problem

OTHER = "another-long-lovely-day"


def run(settings: Settings, *arguments: str, given: str = "") -> Result:
    environment = {
        "DATA_DIR": str(settings.data_dir),
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": settings.secret_key,
    }
    return CliRunner().invoke(main, arguments, env=environment, input=given, catch_exceptions=False)


def log_in(client: FlaskClient, name: str, password: str) -> Any:
    return client.post("/api/auth/login", json={"username": name, "password": password})


class TestCreateAdmin:
    def test_makes_one_who_can_sign_in(self, settings: Settings, client: FlaskClient, database: Database) -> None:
        result = run(settings, "create-admin", "root", "--email", "root@example.com", given=f"{OTHER}\n")
        assert (result.exit_code, result.stderr) == (0, "")
        assert OTHER not in result.stdout
        token = log_in(client, "root", OTHER).get_json()["data"]["access_token"]
        listed = client.get("/api/admin/users", headers={"Authorization": f"Bearer {token}"})
        assert [each["email"] for each in listed.get_json()["data"]] == ["root@example.com"]
        assert ("user.signed_up", "done", None) in audit_rows(database)

    @pytest.mark.parametrize(
        ("arguments", "password"),
        [
            (["root"], "short"),
            (["root"], ""),
            (["no"], OTHER),
            (["a b c"], OTHER),
            (["root", "--email", "nowhere"], OTHER),
        ],
    )
    def test_refuses_what_is_wrong_in_one_line(
        self, settings: Settings, database: Database, arguments: list[str], password: str
    ) -> None:
        result = run(settings, "create-admin", *arguments, given=f"{password}\n")
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
        assert audit_rows(database) == []

    def test_takes_nobodys_name(self, settings: Settings, user: SignedIn) -> None:
        result = run(settings, "create-admin", user.username.upper(), given=f"{OTHER}\n")
        assert (result.exit_code, result.stderr) == (1, "Error: This username is taken.\n")


class TestResetPassword:
    def test_lets_in_with_the_new_one_alone(
        self,
        app: Flask,
        settings: Settings,
        client: FlaskClient,
        database: Database,
        user: SignedIn,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for module in (sessions, api_keys):  # as if a second had gone by
            monkeypatch.setattr(module, "CALLER_SECONDS", 0)
        key = with_key(app, user, "read")
        result = run(settings, "reset-password", user.email.upper(), given=f"{OTHER}\n")
        assert result.exit_code == 0, result.stderr
        assert_problem(log_in(client, user.username, PASSWORD), 401, "invalid_credentials")
        assert log_in(client, user.username, OTHER).status_code == 200
        assert_problem(client.get("/api/auth/me", headers=user.headers), 401, "session_ended")
        assert_problem(client.get("/api/auth/me", headers=key), 401, "api_key_invalid")
        assert ("password.reset", "done", None) in audit_rows(database)

    def test_turns_a_second_factor_off_when_asked(
        self, app: Flask, settings: Settings, client: FlaskClient, database: Database, user: SignedIn
    ) -> None:
        from sqlalchemy import update

        import models
        from services.audit import SYSTEM
        from utils import clock

        services_of(app).second_factors.enroll(user.principal, SYSTEM, PASSWORD)
        with database.write() as session:
            session.execute(update(models.SecondFactor).values(confirmed_at=clock.now()))
        run(settings, "reset-password", user.username, given=f"{OTHER}\n")
        assert_problem(log_in(client, user.username, OTHER), 401, "totp_required")
        run(settings, "reset-password", user.username, "--reset-totp", given=f"{OTHER}\n")
        assert log_in(client, user.username, OTHER).status_code == 200

    def test_a_weak_one_changes_nothing(self, settings: Settings, client: FlaskClient, user: SignedIn) -> None:
        assert run(settings, "reset-password", user.username, given="short\n").exit_code == 1
        assert log_in(client, user.username, PASSWORD).status_code == 200

    def test_of_nobody_is_told(self, settings: Settings, database: Database) -> None:
        result = run(settings, "reset-password", "nobody", given=f"{OTHER}\n")
        assert (result.exit_code, result.stderr) == (1, "Error: There is no user nobody.\n")


def test_list_users(settings: Settings, admin: SignedIn, user: SignedIn) -> None:
    table = run(settings, "list-users").stdout.splitlines()
    assert [line.split()[0] for line in table] == ["username", user.username, admin.username]
    assert run(settings, "list-users", "--search", "NOBODY").stdout.count("\n") == 1
    (line,) = run(settings, "list-users", "--admins", "--json").stdout.splitlines()
    assert (json.loads(line)["id"], json.loads(line)["role"]) == (admin.id, "admin")


@pytest.mark.parametrize("command", ["create-admin", "reset-password"])
def test_no_command_takes_a_password_as_an_argument(settings: Settings, command: str) -> None:
    assert run(settings, command, "root", OTHER, given="").exit_code == 2
    assert run(settings, command, "root", "--password", OTHER, given="").exit_code == 2
