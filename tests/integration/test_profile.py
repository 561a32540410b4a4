"""Profiles and settings: what users say of themselves and how their screens look."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.schemas.settings import DEFAULTS, KINDS, MAX_INDICATORS
from models import Database
from services.notifications.notifications import Told, notify
from tests.factories import SignedIn, audit_rows, with_key
from tests.problems import assert_problem

TOLD = {name: ["in_app", "webhook"] for name in KINDS}
"""How somebody is told who has chosen nothing."""

ME, SETTINGS = "/api/auth/me", "/api/settings"
EMA = {"name": "EMA", "parameters": {"length": 21, "source": "close", "shown": True, "width": "1.5"}}


def patch(client: FlaskClient, user: SignedIn, **changes: Any) -> Any:
    return client.patch(ME, headers=user.headers, json=changes)


def put(client: FlaskClient, user: SignedIn, **settings: Any) -> Any:
    return client.put(SETTINGS, headers=user.headers, json=settings)


class TestProfile:
    FULL = {
        "display_name": "Ada Ł.",
        "avatar_url": "https://example.com/ada.png",
        "locale": "en-GB",
        "time_zone": "Europe/London",
        "leaderboard_opt_in": True,
    }

    def test_is_kept_and_taken_back(
        self, client: FlaskClient, database: Database, user: SignedIn, other: SignedIn
    ) -> None:
        shown = patch(client, user, **self.FULL).get_json()["data"]
        assert shown == client.get(ME, headers=user.headers).get_json()["data"]
        assert {name: shown[name] for name in self.FULL} == self.FULL
        assert ("profile.changed", "done", None) in audit_rows(database)
        assert patch(client, user, display_name=None).get_json()["data"]["display_name"] is None
        assert client.get(ME, headers=user.headers).get_json()["data"]["locale"] == "en-GB"
        assert client.get(ME, headers=other.headers).get_json()["data"]["locale"] is None

    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"display_name": ""},
            {"display_name": "x" * 65},
            {"display_name": "a\nb"},
            {"avatar_url": "javascript:alert(1)"},
            {"avatar_url": "http://example.com/a.png"},
            {"avatar_url": f"https://example.com/{'a' * 512}"},
            {"display_name": "\u202ead\u00e1"},
            {"display_name": "Ada\u200b"},
            {"display_name": "\u3164"},
            {"locale": "english"},
            {"time_zone": "Mars/Olympus"},
            {"time_zone": "../etc/passwd"},
            {"leaderboard_opt_in": "yes"},
            {"leaderboard_opt_in": None},
            {"username": "eve"},
            {"is_admin": True},
            {"role": "admin"},
        ],
    )
    def test_refuses_what_is_wrong(
        self, client: FlaskClient, database: Database, user: SignedIn, changes: dict[str, Any]
    ) -> None:
        before = client.get(ME, headers=user.headers).get_json()
        assert_problem(patch(client, user, **changes), 422, "validation_failed")
        assert client.get(ME, headers=user.headers).get_json() == before

    def test_no_key_changes_it(self, app: Flask, client: FlaskClient, user: SignedIn) -> None:
        headers = with_key(app, user, "read", "trade")
        assert_problem(client.patch(ME, headers=headers, json={"locale": "de"}), 403, "forbidden")
        assert_problem(client.put(SETTINGS, headers=headers, json={}), 403, "forbidden")
        assert client.get(SETTINGS, headers=headers).status_code == 200


class TestSettings:
    def test_have_defaults(self, client: FlaskClient, user: SignedIn) -> None:
        assert client.get(SETTINGS, headers=user.headers).get_json()["data"] == {**DEFAULTS, "notifications": TOLD}

    def test_are_replaced(self, client: FlaskClient, database: Database, user: SignedIn, other: SignedIn) -> None:
        wanted = {
            "theme": "dark",
            "default_timeframe": "4h",
            "chart_type": "line",
            "indicators": [EMA],
            "notifications": {**TOLD, "fills": ["email", "webhook"], "rejections": []},
        }
        assert put(client, user, **wanted).get_json()["data"] == wanted
        assert client.get(SETTINGS, headers=user.headers).get_json()["data"] == wanted
        assert client.get(SETTINGS, headers=other.headers).get_json()["data"] == {**DEFAULTS, "notifications": TOLD}
        assert audit_rows(database)[-1] == ("settings.changed", "done", None)
        kept = {"notifications": wanted["notifications"]}
        assert put(client, user, theme="light").get_json()["data"] == {**DEFAULTS, "theme": "light", **kept}

    def test_hold_for_what_is_told(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        put(client, user, notifications={"tournaments": [], "announcements": ["webhook"]})
        ways = client.get("/api/notifications/settings", headers=user.headers).get_json()["data"]
        assert {each["kind"]: (each["in_app"], each["webhook"]) for each in ways} == {
            **dict.fromkeys(KINDS.values(), (True, True)),
            "tournament": (False, False),
            "announcement": (False, True),
        }
        with database.write() as session:
            for kind in ("fill", "tournament", "announcement"):
                notify(session, user.id, Told(kind, kind, {}))
        listed = client.get("/api/notifications", headers=user.headers).get_json()["data"]
        assert [each["kind"] for each in listed] == ["fill"]

    def test_tell_what_was_chosen_among_the_notifications(self, client: FlaskClient, user: SignedIn) -> None:
        chosen = {"settings": [{"kind": "fill", "in_app": False, "webhook": False, "email": True}]}
        client.put("/api/notifications/settings", headers=user.headers, json=chosen)
        assert put(client, user, theme="dark").get_json()["data"]["notifications"] == {**TOLD, "fills": ["email"]}

    def test_the_bot_is_the_administrators(self, client: FlaskClient, user: SignedIn, admin: SignedIn) -> None:
        refused = put(client, user, theme="dark", notifications={"fills": ["bot"]})
        assert_problem(refused, 403, "forbidden")
        assert client.get(SETTINGS, headers=user.headers).get_json()["data"]["theme"] == "system"
        chosen = put(client, admin, notifications={"fills": ["bot"]}).get_json()["data"]["notifications"]
        assert chosen == {**TOLD, "fills": ["bot"]}

    def test_take_the_other_names_of_time_frames(self, client: FlaskClient, user: SignedIn) -> None:
        assert put(client, user, default_timeframe="5minute").get_json()["data"]["default_timeframe"] == "5m"

    @pytest.mark.parametrize(
        "wanted",
        [
            {"theme": "neon"},
            {"default_timeframe": "7m"},
            {"chart_type": "pie"},
            {"indicators": [EMA] * (MAX_INDICATORS + 1)},
            {"indicators": [{"name": "x" * 65}]},
            {"indicators": [{"name": "EMA", "parameters": {str(number): 1 for number in range(21)}}]},
            {"indicators": [{"name": "EMA", "parameters": {"length": {"deep": 1}}}]},
            {"indicators": [{"name": "EMA", "parameters": {"length": "x" * 65}}]},
            {"indicators": [{"name": "EMA", "parameters": {"a b": 1}}]},
            {"indicators": [{"name": "EMA", "parameters": {"length": None}}]},
            {"notifications": {"fills": ["pigeon"]}},
            {"notifications": {"fills": ["email"] * 5}},
            {"notifications": {"weather": ["email"]}},
            {"anything": "else"},
        ],
    )
    def test_refuse_what_is_wrong(self, client: FlaskClient, user: SignedIn, wanted: dict[str, Any]) -> None:
        assert_problem(put(client, user, **wanted), 422, "validation_failed")
        assert client.get(SETTINGS, headers=user.headers).get_json()["data"] == {**DEFAULTS, "notifications": TOLD}

    @pytest.mark.parametrize("number", ["1e999999999", "-1e999999999", "1e-999999999", "9" * 4000])
    def test_no_number_of_a_billion_digits_is_written(self, client: FlaskClient, user: SignedIn, number: str) -> None:
        body = f'{{"indicators": [{{"name": "EMA", "parameters": {{"length": {number}}}}}]}}'
        answer = client.put(SETTINGS, headers=user.headers, data=body, content_type="application/json")
        assert_problem(answer, 422, "validation_failed")

    def test_keep_a_number_of_more_than_64_bits(self, client: FlaskClient, user: SignedIn) -> None:
        indicator = {"name": "EMA", "parameters": {"most": 2**64, "least": -(2**64), "length": 21}}
        kept = [{"name": "EMA", "parameters": {"most": str(2**64), "least": str(-(2**64)), "length": 21}}]
        assert put(client, user, indicators=[indicator]).get_json()["data"]["indicators"] == kept
        assert client.get(SETTINGS, headers=user.headers).get_json()["data"]["indicators"] == kept
