"""Attacks on access tokens: whatever is forged, borrowed or out of date is a 401 with a stable code."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from services.users.tokens import Claims, Tokens
from tests.conftest import SECRET
from tests.factories import SignedIn
from tests.problems import assert_problem

Payload = dict[str, Any]


def claims_of(user: SignedIn) -> Payload:
    claims: Payload = jwt.decode(user.tokens.access_token, options={"verify_signature": False})
    return claims


def call(client: FlaskClient, token: str) -> TestResponse:
    return client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def handmade(header: Payload, claims: object, key: bytes = SECRET.encode()) -> str:
    signed = f"{encoded(header)}.{encoded(claims)}"
    signature = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_the_forge_itself_works(client: FlaskClient, user: SignedIn) -> None:
    # else every attack below would fail for the wrong reason
    assert call(client, handmade({"alg": "HS256", "typ": "JWT"}, claims_of(user))).status_code == 200


def test_claims(user: SignedIn) -> None:
    claims = claims_of(user)
    assert set(claims) == {"iss", "aud", "sub", "iat", "exp", "jti", "type", "sid", "is_admin"}
    assert claims["exp"] - claims["iat"] == 900
    assert claims["type"] == "access"
    assert jwt.get_unverified_header(user.tokens.access_token) == {"alg": "HS256", "typ": "JWT"}


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "nOnE", "NONE", "", "HS384", "HS512", "RS256", "hs256", None, 5, []]
)
def test_other_algorithms(client: FlaskClient, user: SignedIn, algorithm: Any) -> None:
    header = {"alg": algorithm, "typ": "JWT"}
    unsigned = f"{encoded(header)}.{encoded(claims_of(user))}."
    assert_problem(call(client, unsigned), 401, "token_invalid")
    assert_problem(call(client, handmade(header, claims_of(user))), 401, "token_invalid")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_the_right_key_with_a_stronger_algorithm(client: FlaskClient, user: SignedIn, algorithm: str) -> None:
    token = jwt.encode(claims_of(user), SECRET, algorithm=algorithm)
    assert_problem(call(client, token), 401, "token_invalid")


ATTACKER = b"the attacker's own key, which is long enough"
_JWK = {"kty": "oct", "k": base64.urlsafe_b64encode(ATTACKER).decode().rstrip("=")}


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "../../../../dev/null"},
        {"kid": "/dev/null"},
        {"kid": "' UNION SELECT 'key' --"},
        {"jku": "http://127.0.0.1:1/keys.json"},
        {"x5u": "http://127.0.0.1:1/cert.pem"},
        {"jwk": _JWK},
        {"crit": ["exp"]},
    ],
)
@pytest.mark.parametrize("key", [b"", ATTACKER])
def test_keys_named_by_the_attacker(client: FlaskClient, user: SignedIn, header: Payload, key: bytes) -> None:
    token = handmade({"alg": "HS256", "typ": "JWT", **header}, claims_of(user), key)
    assert_problem(call(client, token), 401, "token_invalid")


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "iat", "exp", "jti", "type", "sid", "is_admin"])
def test_every_claim_is_required(client: FlaskClient, user: SignedIn, claim: str) -> None:
    claims = claims_of(user)
    del claims[claim]
    assert_problem(call(client, handmade({"alg": "HS256"}, claims)), 401, "token_invalid")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody-else"},
        {"iss": ["trading-backend"]},
        {"aud": "another-api"},
        {"aud": ["trading-backend-api", "another-api"]},
        {"type": "refresh"},
        {"type": "Access"},
        {"type": "access "},
        {"type": ["access"]},
        {"type": None},
        {"sub": ""},
        {"sub": 1},
        {"sub": None},
        {"sub": {"a": 1}},
        {"sid": ""},
        {"sid": "\ud800"},
        {"sub": "\x00"},
        {"sid": ["x"]},
        {"jti": 1},
        {"is_admin": "true"},
        {"is_admin": 1},
        {"exp": "soon"},
        {"exp": None},
        {"exp": 10**400},
        {"exp": int(time.time()) + 86_400},
        {"iat": time.time() - 0.5},
        {"iat": True},
        {"exp": []},
        {"iat": "now"},
        {"iat": []},
        {"nbf": int(time.time()) + 86_400},
    ],
)
def test_wrong_claims(client: FlaskClient, user: SignedIn, changes: Payload) -> None:
    token = handmade({"alg": "HS256"}, {**claims_of(user), **changes})
    assert_problem(call(client, token), 401, "token_invalid")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda now: {"exp": now - 60}, "token_expired"),
        (lambda now: {"exp": now - 6}, "token_expired"),
        (lambda now: {"iat": now + 60, "exp": now + 600}, "token_invalid"),
    ],
)
def test_out_of_its_time(client: FlaskClient, user: SignedIn, change: Callable[[int], Payload], code: str) -> None:
    token = handmade({"alg": "HS256"}, {**claims_of(user), **change(int(time.time()))})
    answer = call(client, token)
    assert_problem(answer, 401, code)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="trading", error="invalid_token"'


@pytest.mark.parametrize(
    "claims",
    [[], "text", 5, None, {}, {"a": "[" * 500}],
)
def test_claims_that_are_none(client: FlaskClient, claims: object) -> None:
    assert_problem(call(client, handmade({"alg": "HS256"}, claims)), 401, "token_invalid")


def test_another_users_session_or_an_unknown_one(client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
    for changes in ({"sub": other.id}, {"sid": "no-such-session"}, {"sub": "no-such-user"}):
        token = handmade({"alg": "HS256"}, {**claims_of(user), **changes})
        assert_problem(call(client, token), 401, "session_ended")


def test_is_admin_in_the_token_gives_no_right(client: FlaskClient, user: SignedIn) -> None:
    token = handmade({"alg": "HS256"}, {**claims_of(user), "is_admin": True})
    assert call(client, token).get_json()["data"]["is_admin"] is False


def test_a_refresh_token_is_no_access_token(client: FlaskClient, user: SignedIn) -> None:
    assert_problem(call(client, user.tokens.refresh_token), 401, "token_invalid")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YWRhOmFkYQ==",
        "Token abc",
        "Bearer a b",
        "Bearer a.b.c",
        "Bearer ....",
        "Bearer é.é.é",
        "Bearer " + "a" * 10_000,
        "Bearer eyJhbGciOiJIUzI1NiJ9." + "A" * 4000 + ".x",
    ],
)
def test_headers_that_hold_no_token(client: FlaskClient, header: str) -> None:
    assert_problem(client.get("/api/auth/me", headers={"Authorization": header}), 401, "token_invalid")


def test_no_header(client: FlaskClient) -> None:
    answer = client.get("/api/auth/me")
    assert_problem(answer, 401, "token_missing")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="trading"'


def test_a_token_in_the_url_is_not_read(client: FlaskClient, user: SignedIn) -> None:
    assert_problem(client.get(f"/api/auth/me?access_token={user.tokens.access_token}"), 401, "token_missing")


def test_every_changed_byte_of_the_signature_counts(client: FlaskClient, user: SignedIn) -> None:
    head, body, signature = user.tokens.access_token.split(".")
    for position in range(0, len(signature) - 1, 7):
        letter = "A" if signature[position] != "A" else "B"
        changed = signature[:position] + letter + signature[position + 1 :]
        assert_problem(call(client, f"{head}.{body}.{changed}"), 401, "token_invalid")


def test_a_token_that_was_good_before_expires_all_the_same(
    client: FlaskClient, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(client, user.tokens.access_token).status_code == 200
    late = time.time() + 15 * 60 + 6
    monkeypatch.setattr("services.users.tokens.time.time", lambda: late)
    assert_problem(call(client, user.tokens.access_token), 401, "token_expired")


def test_what_is_remembered_is_bounded(user: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.users.tokens.CACHE_SIZE", 3)
    tokens = Tokens(SECRET)
    claims = Claims(user_id=user.id, session_id=user.principal.session_id, token_id="t")
    for number in range(10):
        token = tokens.access(dataclasses.replace(claims, token_id=str(number)), is_admin=False)
        assert tokens.read(token, "access").token_id == str(number)
        assert len(tokens._genuine) <= 3
