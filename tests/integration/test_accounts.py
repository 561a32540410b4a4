from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from models import Database
from tests.factories import SignedIn, services_of
from tests.order_rows import add_account
from tests.problems import assert_problem, fields
from utils import clock
from utils.errors import NotFound

FIELDS = {
    *("id", "name", "mode", "exchange", "type", "reference_currency", "status", "kind", "created_at"),
    *("credential", "starting_balance", "deposited", "reset_at"),
}


def open_more(database: Database, user: SignedIn, count: int) -> None:
    opened = clock.now()  # the same for all: the id alone tells them apart
    for number in range(count):
        add_account(database, user, name=f"More {number}", kind="strategy", created_at=opened, updated_at=opened)


def test_lists_the_callers_accounts(client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
    answer = client.get("/api/accounts", headers=user.headers)

    assert answer.status_code == 200
    assert [account["id"] for account in answer.get_json()["data"]] == [user.account_id]
    assert set(answer.get_json()["data"][0]) == FIELDS
    assert answer.get_json()["pagination"] == {"limit": 50, "has_more": False, "next_cursor": None}


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 500])
def test_pages_meet_without_gap_or_repetition(
    client: FlaskClient, database: Database, user: SignedIn, limit: int
) -> None:
    open_more(database, user, 6)
    seen: list[str] = []
    cursor = ""
    while True:
        answer = client.get(f"/api/accounts?limit={limit}{cursor}", headers=user.headers).get_json()
        assert len(answer["data"]) <= limit
        seen += [account["id"] for account in answer["data"]]
        if not answer["pagination"]["has_more"]:
            break
        cursor = f"&cursor={answer['pagination']['next_cursor']}"
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("limit=0", ("limit", "invalid")),
        ("limit=501", ("limit", "invalid")),
        ("limit=-1", ("limit", "invalid")),
        ("limit=ten", ("limit", "invalid")),
        ("limit=1_0", ("limit", "invalid")),
        ("limit=%EF%BC%91", ("limit", "invalid")),
        ("limit=1.5", ("limit", "invalid")),
        ("limit=" + "9" * 5000, ("limit", "invalid")),
        ("limit=1&limit=2", ("limit", "repeated")),
        ("limits=5", ("limits", "unknown_field")),
        ("cursor=nonsense", ("cursor", "invalid_cursor")),
        ("cursor=%00", ("cursor", "invalid_text")),
        ("cursor=WzEsIlx1MDAwMCJd", ("cursor", "invalid_cursor")),  # [1,"\u0000"]
        ("cursor=WzFlNDAwLCJ4Il0", ("cursor", "invalid_cursor")),  # [1e400,"x"]
        ("cursor=Wzk5OTk5OTk5OTk5OTk5OTk5OTksIngiXQ", ("cursor", "invalid_cursor")),  # [9999999999999999999,"x"]
        ("cursor=é", ("cursor", "invalid_cursor")),
        ("cursor=" + "a" * 201, ("cursor", "invalid")),
    ],
)
def test_bad_queries_are_named(client: FlaskClient, user: SignedIn, query: str, fault: tuple[str, str]) -> None:
    answer = client.get(f"/api/accounts?{query}", headers=user.headers)
    malformed = fault[1] == "invalid_cursor"
    expected = (400, "invalid_cursor") if malformed else (422, "validation_failed")
    assert fault in fields(assert_problem(answer, *expected))


def test_reads_one(client: FlaskClient, user: SignedIn) -> None:
    answer = client.get(f"/api/accounts/{user.account_id}", headers=user.headers)
    assert answer.get_json()["data"]["name"] == "Paper"


@pytest.mark.parametrize("account_id", ["no-such-account", "%00", "%F0%9F%92%A9", "'", "a" * 5000, "..%2f.."])
def test_unknown_ids_are_not_found(client: FlaskClient, user: SignedIn, account_id: str) -> None:
    assert client.get(f"/api/accounts/{account_id}", headers=user.headers).status_code == 404


def test_what_belongs_to_others_does_not_exist(client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
    # read by its owner first: what is remembered of an account must not be remembered for others
    assert client.get(f"/api/accounts/{other.account_id}", headers=other.headers).status_code == 200
    answer = client.get(f"/api/accounts/{other.account_id}", headers=user.headers)
    assert_problem(answer, 404, "account_not_found")


def test_admins_own_no_more_than_others(client: FlaskClient, user: SignedIn, admin: SignedIn) -> None:
    answer = client.get(f"/api/accounts/{user.account_id}", headers=admin.headers)
    assert_problem(answer, 404, "account_not_found")


def test_owned_means_the_main_account_unless_another_is_named(
    app: Flask, database: Database, user: SignedIn, other: SignedIn
) -> None:
    open_more(database, user, 2)
    owned = services_of(app).accounts.owned
    for _ in range(2):  # the second time from memory
        assert owned(user.principal).id == user.account_id
        assert owned(user.principal, user.account_id).kind == "main"
        with pytest.raises(NotFound) as caught:
            owned(user.principal, other.account_id)
        assert caught.value.code == "account_not_found"
