"""Administrators look at users and change them; nobody else does, and one administrator always stays."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

import models
from models import Database
from tests.contract.exchange import SYMBOL
from tests.factories import PASSWORD, SignedIn, audit_rows, sign_in, with_key
from tests.problems import assert_problem
from utils import clock
from utils.errors import Forbidden
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, ReleaseKillSwitch

USERS = "/api/admin/users"


def change(client: FlaskClient, admin: SignedIn, target: SignedIn, **body: Any) -> Any:
    return client.put(f"{USERS}/{target.id}", headers=admin.headers, json=body)


def role_of(database: Database, user: SignedIn) -> tuple[str, bool]:
    with database.read() as connection:
        query = select(models.User.role, models.User.is_active).where(models.User.id == user.id)
        role, is_active = connection.execute(query).one()
    return role, is_active


class TestListing:
    def names(self, client: FlaskClient, admin: SignedIn, **query: Any) -> list[str]:
        answer = client.get(USERS, headers=admin.headers, query_string=query)
        assert answer.status_code == 200
        return [each["username"] for each in answer.get_json()["data"]]

    def test_searches_and_filters(
        self, app: Flask, client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn
    ) -> None:
        sign_in(app, database, username="grace_hopper")
        sign_in(app, database, username="graceful")
        assert self.names(client, admin, search="GRACE") == ["graceful", "grace_hopper"]
        assert self.names(client, admin, search="grace_") == ["grace_hopper"]
        assert self.names(client, admin, search="%") == []
        assert self.names(client, admin, search=user.email) == [user.username]
        assert self.names(client, admin, role="admin") == [admin.username]
        assert self.names(client, admin, is_active="false") == []

    def test_pages(self, app: Flask, client: FlaskClient, database: Database, admin: SignedIn) -> None:
        made = [sign_in(app, database).username for _ in range(4)]
        page = client.get(USERS, headers=admin.headers, query_string={"limit": 3}).get_json()
        rest = client.get(
            USERS, headers=admin.headers, query_string={"limit": 3, "cursor": page["pagination"]["next_cursor"]}
        ).get_json()
        assert [each["username"] for each in page["data"] + rest["data"]] == [*reversed(made), admin.username]
        assert not rest["pagination"]["has_more"]

    def test_shows_no_secret(self, app: Flask, client: FlaskClient, admin: SignedIn, user: SignedIn) -> None:
        with_key(app, user, "read")
        shown = client.get(f"{USERS}/{user.id}", headers=admin.headers).get_json()["data"]
        assert (shown["accounts"], shown["open_orders"], shown["sessions"], shown["api_keys"]) == (1, 0, 1, 1)
        assert (shown["totp_enabled"], shown["kill_switch"], shown["deleted_at"]) == (False, False, None)
        assert clock.now() - timedelta(minutes=1) < models_time(shown["last_seen_at"])
        assert not [name for name in shown if "password" in name or "hash" in name]

    def test_somebody_unknown_is_told(self, client: FlaskClient, admin: SignedIn) -> None:
        assert_problem(client.get(f"{USERS}/nobody", headers=admin.headers), 404, "user_not_found")
        answer = client.put(f"{USERS}/nobody", headers=admin.headers, json={"role": "admin"})
        assert_problem(answer, 404, "user_not_found")


def models_time(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text)


class TestRoles:
    def test_change_what_may_be_done(
        self, client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn
    ) -> None:
        assert change(client, admin, user, role="admin").get_json()["data"]["role"] == "admin"
        assert client.get(USERS, headers=user.headers).status_code == 200
        assert change(client, user, admin, role="user").status_code == 200
        assert_problem(client.get(USERS, headers=admin.headers), 403, "forbidden")
        with database.read() as connection:
            query = select(models.AuditEntry.user_id, models.AuditEntry.target, models.AuditEntry.detail)
            told = connection.execute(query.where(models.AuditEntry.action == "user.role_changed")).all()
        assert sorted(map(tuple, told)) == sorted(
            [
                (admin.id, user.id, '{"before":"user","after":"admin"}'),
                (user.id, admin.id, '{"before":"admin","after":"user"}'),
            ]
        )

    @pytest.mark.parametrize("body", [{}, {"role": "root"}, {"is_active": "yes"}, {"username": "x"}, {"role": None}])
    def test_wrong_changes_change_nothing(
        self, client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn, body: dict[str, Any]
    ) -> None:
        before = audit_rows(database)
        assert_problem(change(client, admin, user, **body), 422, "validation_failed")
        assert (role_of(database, user), audit_rows(database)) == (("user", True), before)

    def test_users_change_nobody(
        self, app: Flask, client: FlaskClient, database: Database, user: SignedIn, other: SignedIn, admin: SignedIn
    ) -> None:
        for headers in (user.headers, with_key(app, admin, "read"), with_key(app, admin, "trade")):
            answer = client.put(f"{USERS}/{other.id}", headers=headers, json={"role": "admin", "is_active": False})
            assert_problem(answer, 403, "forbidden")
        assert role_of(database, other) == ("user", True)

    def test_no_key_changes_users_not_even_its_owner(
        self, app: Flask, client: FlaskClient, database: Database, user: SignedIn, admin: SignedIn
    ) -> None:
        headers = with_key(app, admin, "read", "trade", "admin")
        before = audit_rows(database)
        for whom in (admin, user):
            for body in ({"reset_totp": True}, {"role": "admin"}, {"is_active": True}, {"end_sessions": True}):
                answer = client.put(f"{USERS}/{whom.id}", headers=headers, json=body)
                assert assert_problem(answer, 403, "forbidden")["detail"] == "No API key may do this; sign in."
            answer = client.post(f"{USERS}/{whom.id}/deletion", headers=headers, json={"password": PASSWORD})
            assert_problem(answer, 403, "forbidden")
        assert (role_of(database, user), audit_rows(database)) == (("user", True), before)
        assert client.get(USERS, headers=headers).status_code == 200


class TestTheLastAdmin:
    @pytest.mark.parametrize("body", [{"role": "user"}, {"is_active": False}])
    def test_stays(self, client: FlaskClient, database: Database, admin: SignedIn, body: dict[str, Any]) -> None:
        assert_problem(change(client, admin, admin, **body), 409, "last_admin")
        assert role_of(database, admin) == ("admin", True)
        assert client.get(USERS, headers=admin.headers).status_code == 200

    def test_is_the_last_active_one(self, app: Flask, client: FlaskClient, database: Database, admin: SignedIn) -> None:
        asleep = sign_in(app, database, role="admin")
        with database.write() as session:
            session.execute(update(models.User).where(models.User.id == asleep.id).values(is_active=False))
        assert_problem(change(client, admin, admin, role="user"), 409, "last_admin")

    def test_stays_when_two_demote_each_other_at_once(self, app: Flask, database: Database, admin: SignedIn) -> None:
        for _ in range(8):
            rival = sign_in(app, database, role="admin")
            barrier = threading.Barrier(2)

            def demote(pair: tuple[SignedIn, SignedIn], barrier: threading.Barrier = barrier) -> int:
                barrier.wait()
                status: int = change(app.test_client(), *pair, role="user").status_code
                return status

            with ThreadPoolExecutor(2) as threads:
                answers = sorted(threads.map(demote, [(admin, rival), (rival, admin)]))
            with database.read() as connection:
                left = connection.execute(
                    select(func.count()).select_from(models.User).where(models.User.role == "admin")
                ).scalar_one()
            # the slower one is told so, or is no administrator any more when they ask
            assert (left, answers[0]) == (1, 200)
            assert answers[1] in {403, 409}
            with database.write() as session:
                session.execute(update(models.User).where(models.User.id == rival.id).values(role="user"))
                session.execute(update(models.User).where(models.User.id == admin.id).values(role="admin"))


class TestEnding:
    def test_signs_a_user_out_everywhere(
        self, app: Flask, client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn
    ) -> None:
        key = with_key(app, user, "read")
        for headers in (user.headers, key):
            assert client.get("/api/auth/me", headers=headers).status_code == 200
        assert change(client, admin, user, end_sessions=True).get_json()["data"]["sessions"] == 0
        assert_problem(client.get("/api/auth/me", headers=user.headers), 401, "session_ended")
        refreshed = client.post("/api/auth/refresh", json={"refresh_token": user.tokens.refresh_token})
        assert refreshed.status_code == 401
        assert_problem(client.get("/api/auth/me", headers=key), 401, "api_key_invalid")
        rows = audit_rows(database)
        assert {("sessions.ended", "done", None), ("api_keys.ended", "done", None)} <= set(rows)

    def test_resets_a_second_factor(
        self, client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn
    ) -> None:
        client.post("/api/auth/totp/enroll", headers=user.headers, json={"password": PASSWORD})
        with database.write() as session:
            session.execute(update(models.SecondFactor).values(confirmed_at=clock.now()))
        body = {"username": user.username, "password": PASSWORD}
        assert_problem(client.post("/api/auth/login", json=body), 401, "totp_required")
        assert change(client, admin, user, reset_totp=True).get_json()["data"]["totp_enabled"] is False
        assert client.post("/api/auth/login", json=body).status_code == 200
        assert ("totp.reset", "done", None) in audit_rows(database)


@pytest.mark.usefixtures("steady")
class TestDeactivating:
    @pytest.fixture
    def bridge(self, engine_bridge: OctoBotBridge) -> OctoBotBridge:
        return engine_bridge

    def place(self, client: FlaskClient, headers: dict[str, str]) -> Any:
        ticket = {"symbol": SYMBOL, "side": "buy", "amount": "0.001", "price": "40000"}
        return client.post("/api/trading/orders", headers=headers, json=ticket)

    def test_ends_everything_and_cancels_open_orders(
        self, app: Flask, client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn
    ) -> None:
        key = with_key(app, user, "trade")
        order = self.place(client, key).get_json()["data"]

        shown = change(client, admin, user, is_active=False).get_json()["data"]

        assert (shown["is_active"], shown["open_orders"], shown["sessions"], shown["api_keys"]) == (False, 0, 0, 0)
        assert shown["kill_switch"]
        assert_problem(client.get("/api/auth/me", headers=user.headers), 401, "session_ended")
        assert_problem(client.get("/api/auth/me", headers=key), 401, "api_key_invalid")
        body = {"username": user.username, "password": PASSWORD}
        assert_problem(client.post("/api/auth/login", json=body), 403, "user_inactive")
        with database.read() as connection:
            query = select(models.Order.status).where(models.Order.id == order["id"])
            assert connection.execute(query).scalar() == "canceled"
        assert ("user.deactivated", "done", None) in audit_rows(database)
        assert change(client, admin, user, is_active=False).status_code == 200  # again does no harm

        assert change(client, admin, user, is_active=True).get_json()["data"]["kill_switch"] is False
        token = client.post("/api/auth/login", json=body).get_json()["data"]["access_token"]
        assert self.place(client, {"Authorization": f"Bearer {token}"}).status_code == 201
        assert_problem(client.get("/api/auth/me", headers=key), 401, "api_key_invalid")

    def test_leaves_a_switch_of_an_admin_alone(
        self, client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn
    ) -> None:
        pulled = {"scope": "user", "user": user.id, "reason": "An inquiry"}
        client.post("/api/trading/kill-switch", headers=admin.headers, json=pulled)
        change(client, admin, user, is_active=False)
        assert change(client, admin, user, is_active=True).get_json()["data"]["kill_switch"]
        with database.read() as connection:
            assert connection.execute(select(models.KillSwitch.reason)).scalars().all() == ["An inquiry"]

    def test_leaves_the_users_own_switch_alone(
        self, client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn
    ) -> None:
        pulled = {"scope": "user", "reason": "A bug in my bot"}
        client.post("/api/trading/kill-switch", headers=user.headers, json=pulled)
        assert change(client, admin, user, is_active=False).get_json()["data"]["kill_switch"]
        assert change(client, admin, user, is_active=True).get_json()["data"]["kill_switch"]
        with database.read() as connection:
            query = select(models.KillSwitch.engaged_by, models.KillSwitch.reason)
            assert connection.execute(query).all() == [(user.id, "A bug in my bot")]
        body = {"username": user.username, "password": PASSWORD}
        token = client.post("/api/auth/login", json=body).get_json()["data"]["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        assert_problem(self.place(client, headers), 422, "kill_switch")
        assert client.delete("/api/trading/kill-switch?scope=user", headers=headers).status_code == 200
        assert self.place(client, headers).status_code == 201

    def test_holds_the_users_own_switch_for_a_release_under_way(
        self, client: FlaskClient, bridge: OctoBotBridge, database: Database, admin: SignedIn, user: SignedIn
    ) -> None:
        client.post("/api/trading/kill-switch", headers=user.headers, json={"scope": "user"})
        change(client, admin, user, is_active=False)
        late = ReleaseKillSwitch(actor=Actor(user_id=user.id), scope="user", target=user.id)
        with pytest.raises(Forbidden, match="deactivated"):
            bridge.release_kill_switch(late)
        assert ("kill_switch.release", "denied", "user_inactive") in audit_rows(database)
        assert client.get(f"{USERS}/{user.id}", headers=admin.headers).get_json()["data"]["kill_switch"]


def test_deactivating_holds_while_the_engine_is_away(
    client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn
) -> None:
    problem = assert_problem(change(client, admin, user, is_active=False), 503, "engine_unavailable")
    assert "open orders are not canceled yet" in problem["detail"]
    assert role_of(database, user) == ("user", False)
    assert_problem(client.get("/api/auth/me", headers=user.headers), 401, "session_ended")
