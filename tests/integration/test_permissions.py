from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.routing import Rule

import models
from api.blueprint import PUBLIC, Blueprint
from api.openapi import Api
from models import Database
from services.principals import PERMISSIONS, ROLES, SCOPES, SESSION_ONLY
from tests.factories import SignedIn, services_of, with_key
from tests.problems import assert_problem

PUBLIC_ROUTES = {
    ("POST", "/api/auth/signup"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/refresh"),
    # whoever has the key in the path may
    ("POST", "/api/webhooks/tradingview/<signal_key>"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/"),
}
"""What everybody may call. A route that joins this list deserves a second look."""


def routes(app: Flask) -> Iterator[tuple[Rule, str, str]]:
    """Yield every rule with its method and the permission its view declares."""
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            yield rule, method, getattr(app.view_functions[rule.endpoint], "permission", "undeclared")


def path(rule: Rule) -> str:
    return re.sub(r"<[^>]+>", "BTC-USDT", rule.rule)


def test_every_route_declares_a_permission(app: Flask) -> None:
    declared = {permission for _, _, permission in routes(app)}
    assert declared <= PERMISSIONS | {PUBLIC}


def test_public_routes_are_the_ones_we_know(app: Flask) -> None:
    documentation = ("/docs", "/openapi.yaml")
    public = {(method, rule.rule) for rule, method, permission in routes(app) if permission == PUBLIC}
    assert {route for route in public if not route[1].startswith(documentation)} == PUBLIC_ROUTES


def test_nobody_gets_in_without_a_token(app: Flask, client: FlaskClient) -> None:
    closed = [(rule, method) for rule, method, permission in routes(app) if permission != PUBLIC]
    assert len(closed) >= 4
    for rule, method in closed:
        assert_problem(client.open(path(rule), method=method), 401, "token_missing")
        head = client.head(path(rule))
        assert head.status_code in {401, 405}


def test_users_reach_nothing_that_is_the_admins(app: Flask, client: FlaskClient, user: SignedIn) -> None:
    for rule, method, permission in routes(app):
        if permission not in ROLES["user"] | {PUBLIC}:
            assert_problem(client.open(path(rule), method=method, headers=user.headers), 403, "forbidden")


@pytest.mark.parametrize("scopes", [("read",), ("trade",), ("admin",), ("read", "trade", "admin")])
def test_an_api_key_reaches_what_its_scopes_hold(
    app: Flask, client: FlaskClient, admin: SignedIn, scopes: tuple[str, ...]
) -> None:
    headers = with_key(app, admin, *scopes)
    held = frozenset().union(*(SCOPES[scope] for scope in scopes))
    closed = [(rule, method) for rule, method, permission in routes(app) if permission not in held | {PUBLIC}]
    assert len(closed) >= 5
    for rule, method in closed:
        assert_problem(client.open(path(rule), method=method, headers=headers), 403, "forbidden")


def test_an_api_key_has_no_more_rights_than_its_owner(
    app: Flask, client: FlaskClient, database: Database, admin: SignedIn
) -> None:
    headers = with_key(app, admin, "admin", "trade")
    assert client.get("/api/config", headers=headers).status_code != 403
    with database.write() as session:
        session.execute(update(models.User).where(models.User.id == admin.id).values(role="user"))
    services_of(app).api_keys._callers.clear()

    assert_problem(client.get("/api/config", headers=headers), 403, "forbidden")
    assert client.get("/api/trading/orders", headers=headers).status_code == 200


def test_an_admins_key_starts_the_bot_but_does_not_change_its_configuration(
    app: Flask, client: FlaskClient, admin: SignedIn
) -> None:
    headers = with_key(app, admin, "read", "trade", "admin")
    writes = [(rule, method) for rule, method, permission in routes(app) if permission == "config:write"]
    assert len(writes) >= 5
    for rule, method in writes:
        problem = assert_problem(client.open(path(rule), method=method, headers=headers), 403, "forbidden")
        assert problem["detail"] == "No API key may do this; sign in."
    assert client.get("/api/config", headers=headers).status_code != 403
    assert client.post("/api/bot/start", headers=headers).status_code != 403


def test_scopes_and_sessions_share_out_all_permissions() -> None:
    in_scopes = frozenset().union(*SCOPES.values())
    assert in_scopes | SESSION_ONLY == PERMISSIONS
    assert not in_scopes & SESSION_ONLY
    assert not [permission for permission in SCOPES["read"] if permission.endswith(":write")]


class TestAdminsRoutes:
    @pytest.fixture
    def app(self, app: Flask) -> Flask:
        blueprint = Blueprint("probe", "For this test")

        @blueprint.route("/api/probe", permission="config:read")
        def probe() -> str:
            return "reached"

        app.register_blueprint(blueprint)
        app.add_url_rule("/api/undeclared", view_func=lambda: "reached", endpoint="undeclared")
        return app

    def test_are_open_to_admins_alone(self, client: FlaskClient, user: SignedIn, admin: SignedIn) -> None:
        assert_problem(client.get("/api/probe", headers=user.headers), 403, "forbidden")
        assert client.get("/api/probe", headers=admin.headers).data == b"reached"

    def test_a_view_without_a_permission_is_closed_to_all(self, client: FlaskClient, admin: SignedIn) -> None:
        assert_problem(client.get("/api/undeclared"), 401, "token_missing")
        assert_problem(client.get("/api/undeclared", headers=admin.headers), 403, "forbidden")


@pytest.mark.parametrize("permission", [None, "", "orders", "orders:delete", "ORDERS:READ", 5])
def test_a_route_without_a_known_permission_does_not_import(permission: str) -> None:
    blueprint = Blueprint("probe", "For this test")

    with pytest.raises(TypeError, match=r"probe\.view: "):

        @blueprint.route("/api/probe", permission=permission)
        def view() -> None: ...


def test_a_route_that_forgets_its_permission_does_not_import() -> None:
    with pytest.raises(TypeError, match="declare permission"):

        @Blueprint("probe", "For this test").route("/api/probe")
        def view() -> None: ...


def test_roles_hold_known_permissions() -> None:
    assert ROLES["user"] < ROLES["admin"] == PERMISSIONS


def test_every_operation_has_an_id_of_its_own(app: Flask) -> None:
    api: Api = app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    paths = api.to_dict()["paths"]
    ids = [
        operation["operationId"] for path in paths.values() for key, operation in path.items() if key != "parameters"
    ]
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    # a WebSocket's path has two rules, one of them for requests that open none
    assert len(ids) == sum(1 for rule, _, _ in routes(app) if not rule.websocket)


def test_aliases_share_the_view_and_are_documented(app: Flask) -> None:
    blueprint = Blueprint("probe", "For this test")

    @blueprint.route("/api/one", "/api/other", permission=PUBLIC)
    def show_probe() -> str:
        return "reached"

    api: Api = app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    api.register_blueprint(blueprint)

    assert app.test_client().get("/api/other").data == app.test_client().get("/api/one").data == b"reached"
    paths = api.to_dict()["paths"]
    assert paths["/api/one"]["get"]["operationId"] == "show_probe"
    assert paths["/api/other"]["get"]["operationId"] == "show_probe_alias1"
