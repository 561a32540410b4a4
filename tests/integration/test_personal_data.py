"""Exports hold everything of a user and nothing of anybody else; deletion forgets who they were, and no money."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, insert, select, text

import models
from models import Base, Database
from services import jobs
from services.notifications import mail_addresses
from services.users import personal_data
from services.users.deactivation import REASON
from services.users.deletion import Deletion
from services.users.personal_data import LEFT_OUT, SECRET, SECTIONS
from tests.books import differences
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import PASSWORD, SignedIn, audit_rows, post_sign_up, services_of, with_key
from tests.manual_market import ManualMarket
from tests.order_rows import add_account, add_order
from tests.problems import assert_problem
from tests.tournaments import team, tournament
from utils import clock
from utils.errors import Conflict
from utils.ids import new_id
from utils.octobot_bridge import OctoBotBridge

EXPORT, DELETION = "/api/auth/me/export", "/api/auth/me/deletion"


def rows_of(export: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of an export by their tables."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for line in export.splitlines():
        told = json.loads(line)
        tables.setdefault(told["table"], []).append(told["row"])
    return tables


def test_an_export_knows_every_table() -> None:
    known = {table.__tablename__ for table in (*SECTIONS, *LEFT_OUT)}
    assert known == set(Base.metadata.tables)
    assert not set(SECTIONS) & set(LEFT_OUT)


@pytest.mark.usefixtures("steady")
class TestWithAnEngine:
    @pytest.fixture
    def bridge(self, engine_bridge: OctoBotBridge) -> OctoBotBridge:
        return engine_bridge

    def trade(self, client: FlaskClient, user: SignedIn, **ticket: Any) -> dict[str, Any]:
        body = {"symbol": SYMBOL, "side": "buy", "amount": "0.01", **ticket}
        order: dict[str, Any] = client.post("/api/trading/orders", headers=user.headers, json=body).get_json()["data"]
        return order

    def delete(self, client: FlaskClient, user: SignedIn, password: str = PASSWORD) -> Any:
        return client.post(DELETION, headers=user.headers, json={"password": password})

    def test_an_export_holds_what_is_the_users_alone(
        self,
        app: Flask,
        client: FlaskClient,
        database: Database,
        user: SignedIn,
        other: SignedIn,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(personal_data, "CHUNK", 2)
        orders = {self.trade(client, user)["id"] for _ in range(5)}
        self.trade(client, other)
        key = with_key(app, user, "read")["X-API-Key"]
        client.put("/api/settings", headers=user.headers, json={"theme": "dark"})

        answer = client.get(EXPORT, headers=user.headers)

        assert answer.status_code == 200
        written = answer.get_data(as_text=True)
        kept = rows_of(written)
        assert set(kept) <= {table.__tablename__ for table in SECTIONS}
        assert {row["id"] for row in kept["orders"]} == orders
        assert len(kept["trades"]) == 5
        assert [row["username"] for row in kept["users"]] == [user.username]
        assert [row["account_id"] for row in kept["balances"]] == [user.account_id] * 2
        assert len(kept["ledger_entries"]) > 10
        assert kept["user_settings"][0]["user_id"] == user.id
        assert ("user.exported", "done", None) in audit_rows(database)
        for foreign in (other.id, other.account_id, other.email, key, "argon2"):
            assert foreign not in written
        assert not [row for rows in kept.values() for row in rows if SECRET & set(row)]

    def test_deletion_forgets_who_it_was_and_no_money(
        self,
        app: Flask,
        client: FlaskClient,
        database: Database,
        user: SignedIn,
        other: SignedIn,
        admin: SignedIn,
    ) -> None:
        profile = {"display_name": "Ada Canary", "time_zone": "Europe/London"}
        client.patch("/api/auth/me", headers=user.headers, json=profile)
        extra = client.post("/api/accounts", headers=user.headers, json={"name": "Canary fund"}).get_json()["data"]
        self.trade(client, user)
        resting = self.trade(client, user, price="40000")
        self.trade(client, user, account=extra["id"], price="40000")
        key = with_key(app, user, "trade")
        with database.write() as session:
            jobs.add(session, mail_addresses.JOB, {"user": user.id}, user_id=user.id)
        self.win(database, user, admin, reference="transfer 4711", note="Canary lives in London")
        money = self.money(database)

        answer = self.delete(client, user)

        assert answer.get_json()["data"] == {"user_id": user.id}
        assert_problem(client.get("/api/auth/me", headers=user.headers), 401, "session_ended")
        assert_problem(client.get("/api/auth/me", headers=key), 401, "api_key_invalid")
        assert self.money(database) == money
        assert differences(database) == []
        with database.read() as connection:
            award = connection.execute(select(models.Award.reference, models.Award.note)).one()
            assert award == ("transfer 4711", None)
            # how many codes an address got is no matter of who had it
            assert connection.execute(select(models.Job.user_id)).scalars().all() == [None]
            status = select(models.Order.status).where(models.Order.id == resting["id"])
            assert connection.execute(status).scalar() == "canceled"
            left = [
                str(row)
                for table in Base.metadata.sorted_tables
                for row in connection.execute(text(f'SELECT * FROM "{table.name}"'))
            ]
        for canary in (user.username + "@", f"'{user.username}'", user.email, "Canary"):
            assert not [row for row in left if canary in row]
        login = client.post("/api/auth/login", json={"username": user.username, "password": PASSWORD})
        assert_problem(login, 401, "invalid_credentials")
        assert post_sign_up(client, username=user.username, email=user.email).status_code == 201
        assert client.get("/api/auth/me", headers=other.headers).status_code == 200
        assert ("user.deleted", "done", None) in audit_rows(database)

    def win(self, database: Database, user: SignedIn, admin: SignedIn, **told: str) -> None:
        """Let a user have won a prize in a tournament that is over."""
        of, entry, now = tournament(database, admin.id, status="finished"), new_id(), clock.now()
        same = {"tournament_id": of, "user_id": user.id}
        award = {"id": new_id(), "participant_id": entry, "place": 1, "amount": Decimal(0), "currency": "USDT"}
        with database.write() as session:
            entered = {"id": entry, "account_id": user.account_id, "joined_at": now}
            session.execute(insert(models.Participant).values(same | entered))
            paid = {"status": "paid", "created_at": now, "updated_at": now}
            session.execute(insert(models.Award).values(same | award | paid | told))

    def money(self, database: Database) -> list[Any]:
        with database.read() as connection:
            return [
                connection.execute(select(func.count()).select_from(table)).scalar()
                for table in (models.Trade, models.LedgerEntry, models.Order)
            ]

    def test_deletion_waits_for_open_live_orders(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        live = add_account(database, user, mode="live")
        add_order(database, user, account_id=live, mode="live")
        assert_problem(self.delete(client, user), 409, "orders_open")
        me = client.get("/api/auth/me", headers=user.headers).get_json()["data"]
        assert me["username"] == user.username
        assert client.get("/api/trading/kill-switch", headers=user.headers).get_json()["data"] == []

    @pytest.mark.parametrize("deactivated", [True, False])
    def test_deletion_that_is_refused_releases_its_own_switch_alone(
        self,
        client: FlaskClient,
        database: Database,
        market: ManualMarket,
        host: EngineHost,
        admin: SignedIn,
        user: SignedIn,
        deactivated: bool,
    ) -> None:
        path = f"/api/admin/users/{user.id}"
        market.set_price("BTC/USDT:USDT", Decimal(50_000))
        host.tick()
        wanted = {"name": "Perpetuals", "type": "futures"}
        account = client.post("/api/accounts", headers=user.headers, json=wanted).get_json()["data"]["id"]
        self.trade(client, user, account=account, symbol="BTC/USDT:USDT")
        if deactivated:
            assert client.put(path, headers=admin.headers, json={"is_active": False}).status_code == 200

        refused = client.post(f"{path}/deletion", headers=admin.headers, json={"password": PASSWORD})

        assert_problem(refused, 409, "positions_open")
        shown = client.get(path, headers=admin.headers).get_json()["data"]
        assert (shown["is_active"], shown["kill_switch"]) == (not deactivated, deactivated)

    def test_deletion_that_is_refused_keeps_a_switch_it_did_not_pull(
        self, client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pulled = {"scope": "user", "user": user.id, "reason": REASON}
        client.post("/api/trading/kill-switch", headers=admin.headers, json=pulled)

        def refuse(*_: Any) -> None:
            raise Conflict("There are open positions.", code="positions_open")

        monkeypatch.setattr(Deletion, "_archive", refuse)
        assert_problem(self.delete(client, user), 409, "positions_open")
        with database.read() as connection:
            assert connection.execute(select(models.KillSwitch.engaged_by)).scalars().all() == [admin.id]

    def test_deletion_that_is_refused_leaves_a_deactivation_meanwhile_alone(
        self, client: FlaskClient, admin: SignedIn, user: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = f"/api/admin/users/{user.id}"

        def refuse(*_: Any) -> None:
            assert client.put(path, headers=admin.headers, json={"is_active": False}).status_code == 200
            raise Conflict("There are open positions.", code="positions_open")

        monkeypatch.setattr(Deletion, "_archive", refuse)
        answer = client.post(f"{path}/deletion", headers=admin.headers, json={"password": PASSWORD})
        assert_problem(answer, 409, "positions_open")
        assert client.get(path, headers=admin.headers).get_json()["data"]["kill_switch"]

    def test_the_last_admin_cannot_go(self, client: FlaskClient, admin: SignedIn) -> None:
        assert_problem(self.delete(client, admin), 409, "last_admin")
        assert client.get("/api/admin/users", headers=admin.headers).status_code == 200

    def test_an_admin_deletes_and_exports(
        self, client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn
    ) -> None:
        path = f"/api/admin/users/{user.id}"
        exported = rows_of(client.get(f"{path}/export", headers=admin.headers).get_data(as_text=True))
        assert exported["users"][0]["email"] == user.email
        wrong = client.post(f"{path}/deletion", headers=admin.headers, json={"password": "wrong-wrong-wrong"})
        assert_problem(wrong, 422, "wrong_password")
        assert client.post(f"{path}/deletion", headers=admin.headers, json={"password": PASSWORD}).status_code == 200
        shown = client.get(path, headers=admin.headers).get_json()["data"]
        assert (shown["username"], shown["is_active"], shown["deleted_at"] is not None) == (f"~{user.id}", False, True)
        for again in (
            client.post(f"{path}/deletion", headers=admin.headers, json={"password": PASSWORD}),
            client.put(path, headers=admin.headers, json={"is_active": True}),
        ):
            assert_problem(again, 409, "user_deleted")


def test_an_export_holds_teams_of_the_user_and_not_the_operators_configuration(
    client: FlaskClient, database: Database, user: SignedIn, other: SignedIn
) -> None:
    cup = tournament(database, other.id, type="team")
    team(database, cup, user.id, "Canaries of mine")
    team(database, cup, other.id, "Canaries of others")
    change = {"id": new_id(), "user_id": user.id, "action": "edited", "profile": "default", "version": "1"}
    told = {"changes": "[]", "snapshot": '{"config": "of the operator"}', "created_at": clock.now()}
    with database.write() as session:
        session.execute(insert(models.BotConfigChange).values(change | told))

    written = client.get(EXPORT, headers=user.headers).get_data(as_text=True)

    kept = rows_of(written)
    assert [row["name"] for row in kept["tournament_teams"]] == ["Canaries of mine"]
    assert [row["action"] for row in kept["bot_config_changes"]] == ["edited"]
    assert "of the operator" not in written


def test_deletion_takes_the_password(client: FlaskClient, database: Database, user: SignedIn) -> None:
    answer = client.post(DELETION, headers=user.headers, json={"password": "wrong-wrong-wrong"})
    assert_problem(answer, 422, "wrong_password")
    assert audit_rows(database)[-1] == ("user.deleted", "denied", "wrong_password")


def test_without_an_engine_nothing_is_forgotten(client: FlaskClient, user: SignedIn) -> None:
    answer = client.post(DELETION, headers=user.headers, json={"password": PASSWORD})
    assert_problem(answer, 503, "engine_unavailable")
    assert client.get("/api/auth/me", headers=user.headers).get_json()["data"]["username"] == user.username


def test_neither_keys_nor_others_reach_it(
    app: Flask, client: FlaskClient, user: SignedIn, other: SignedIn, admin: SignedIn
) -> None:
    for scopes in (("read",), ("read", "trade")):
        headers = with_key(app, user, *scopes)
        assert_problem(client.get(EXPORT, headers=headers), 403, "forbidden")
        assert_problem(client.post(DELETION, headers=headers, json={"password": PASSWORD}), 403, "forbidden")
    path = f"/api/admin/users/{user.id}"
    assert_problem(client.get(f"{path}/export", headers=other.headers), 403, "forbidden")
    answer = client.post(f"{path}/deletion", headers=other.headers, json={"password": PASSWORD})
    assert_problem(answer, 403, "forbidden")
    assert_problem(client.get("/api/admin/users/nobody/export", headers=admin.headers), 404, "user_not_found")
    assert services_of(app).users.get(user.principal).username == user.username
