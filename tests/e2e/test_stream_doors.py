"""Attacks on both doors of the streams: the web server that hands clients over, and the streamer's own port."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import httpx
import jwt
import pytest
from sqlalchemy import text
from websockets.exceptions import InvalidStatus

from models import Database
from tests.conftest import SECRET
from tests.e2e.client import PASSWORD, Client
from tests.e2e.running import Server, wait_for
from tests.e2e.streams import EventReader, Socket, seconds_until
from tests.ports import free_port

ACCOUNT = "/api/stream/account"
SSE = ("/api/stream/prices", "/api/stream/candles?symbol=BTC/USDT", ACCOUNT)
SOCKETS = ("/ws/market", "/ws/account")


class Door(NamedTuple):
    """Where streams are asked for."""

    address: str

    def status(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Return how a request for a stream is answered: the status and the code of the error."""
        if path.startswith("/ws/"):
            try:
                Socket(self.address.replace("http", "ws") + path, headers).close()
            except InvalidStatus as refused:
                return refused.response.status_code, json.loads(refused.response.body or b"{}").get("error_code", "")
            return 101, ""
        with httpx.stream("GET", self.address + path, headers=headers, timeout=60) as answer:
            if answer.status_code == 200:
                return 200, ""
            return answer.status_code, json.loads(answer.read())["error_code"]

    def read(self, client: Client, **query: str) -> EventReader:
        http = httpx.Client(base_url=self.address, headers={} if "ticket" in query else client.http.headers)
        return EventReader(http, ACCOUNT, query=query).wait_open()

    def open(self, client: Client, ticket: str | None = None) -> Socket:
        headers = {"Authorization": client.http.headers["Authorization"]} if ticket is None else None
        query = "" if ticket is None else f"?ticket={ticket}"
        opened = Socket(f"{self.address.replace('http', 'ws')}/ws/account{query}", headers)
        opened.say(action="subscribe", channel="account")
        opened.wait_for("subscribed")
        return opened


@pytest.fixture(scope="module")
def product_settings() -> dict[str, str]:
    return {"STREAM_PORT": str(free_port()), "SECRET_KEY": SECRET, "RATE_LIMIT_ENABLED": "false"}


@pytest.fixture(params=["handed over", "own port"])
def door(request: pytest.FixtureRequest, product: Server, product_settings: dict[str, str]) -> Door:
    own = f"http://127.0.0.1:{product_settings['STREAM_PORT']}"
    return Door(product.address if request.param == "handed over" else own)


@pytest.fixture
def doors(product: Server, product_settings: dict[str, str]) -> list[Door]:
    return [Door(product.address), Door(f"http://127.0.0.1:{product_settings['STREAM_PORT']}")]


@pytest.fixture
def client(product: Server) -> Client:
    return Client(product.address).sign_up()


@pytest.fixture
def other(product: Server) -> Client:
    return Client(product.address).sign_up()


def token_of(client: Client) -> str:
    return client.http.headers["Authorization"].removeprefix("Bearer ")


def ticket(client: Client) -> str:
    given: str = client.call("POST", "/api/auth/stream-ticket")["ticket"]
    return given


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(claims: dict[str, Any], header: dict[str, Any] | None = None, key: bytes = SECRET.encode()) -> str:
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', **(header or {})})}.{part(claims)}"
    signature = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def forgeries(token: str) -> dict[str, str]:
    """Return tokens that are not good, by what is wrong with them."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    now = int(time.time())
    found = {f"alg {name}": f"{part({'alg': name, 'typ': 'JWT'})}.{part(claims)}." for name in ("none", "None", "nOnE")}
    found |= {f"without {name}": forged({k: v for k, v in claims.items() if k != name}) for name in claims}
    headers: dict[str, dict[str, Any]] = {
        "kid": {"kid": "../../../../dev/null"},
        "jku": {"jku": "http://127.0.0.1:1/keys.json"},
        "jwk": {"jwk": {"kty": "oct", "k": "AA"}},
    }
    found |= {name: forged(claims, header, b"") for name, header in headers.items()}
    changes: dict[str, dict[str, Any]] = {
        "refresh": {"type": "refresh"},
        "audience": {"aud": "another"},
        "issuer": {"iss": "another"},
        "expired": {"iat": now - 1000, "exp": now - 100},
        "from the future": {"iat": now + 600, "exp": now + 1200},
        "too long": {"exp": now + 86_400},
        "nobody": {"sub": "01a22702-d683-7559-ae29-924b8e04812e"},
        "no session": {"sid": "01a22702-d683-7559-ae29-924b8e04812e"},
    }
    return found | {name: forged({**claims, **change}) for name, change in changes.items()}


def test_the_forge_itself_works(door: Door, client: Client) -> None:
    claims = jwt.decode(token_of(client), options={"verify_signature": False})
    headers = {"Authorization": f"Bearer {forged(claims)}"}
    assert [door.status(path, headers)[0] for path in (*SSE, *SOCKETS)] == [200, 200, 200, 101, 101]


def test_no_forged_token_opens_a_stream(door: Door, client: Client, other: Client) -> None:
    bad = forgeries(token_of(client))
    theirs = jwt.decode(token_of(other), options={"verify_signature": False})
    mine = jwt.decode(token_of(client), options={"verify_signature": False})
    bad["another user's session"] = forged({**mine, "sid": theirs["sid"]})
    paths = itertools.cycle((*SSE, *SOCKETS))
    for name, token in bad.items():
        for path in itertools.islice(paths, 3):
            status, code = door.status(path, {"Authorization": f"Bearer {token}"})
            assert (status, code) in {
                (401, "token_invalid"),
                (401, "token_expired"),
                (401, "session_ended"),
            }, (name, path)


@pytest.mark.parametrize("path", [*SSE, *SOCKETS])
def test_credentials_are_good_in_their_own_place_alone(door: Door, client: Client, path: str) -> None:
    sign = "&" if "?" in path else "?"
    assert door.status(path) == (401, "token_missing")
    assert door.status(f"{path}{sign}ticket={token_of(client)}") == (401, "ticket_invalid")
    assert door.status(path, {"Authorization": f"Bearer {ticket(client)}"}) == (401, "token_invalid")
    # a token that is no good is not made up for by a ticket
    headers = {"Authorization": "Bearer nonsense"}
    assert door.status(f"{path}{sign}ticket={ticket(client)}", headers) == (401, "token_invalid")


def test_a_ticket_opens_one_websocket_at_all_doors_together(doors: list[Door], client: Client) -> None:
    held = ticket(client)
    with ThreadPoolExecutor(50) as threads:
        tried = [threads.submit(door.status, f"/ws/market?ticket={held}") for door in doors * 25]
    answers = [each.result() for each in tried]
    assert answers.count((101, "")) == 1
    assert answers.count((401, "ticket_invalid")) == 49
    assert [door.status(f"{ACCOUNT}?ticket={held}")[0] for door in doors] == [401, 401]


def test_a_ticket_of_an_event_source_goes_on_at_all_doors_and_opens_no_websocket(
    doors: list[Door], client: Client
) -> None:
    held = ticket(client)
    assert [door.status(f"{ACCOUNT}?ticket={held}")[0] for door in doors * 2] == [200] * 4
    assert [door.status(f"/ws/account?ticket={held}")[0] for door in doors] == [401, 401]


def test_nobody_follows_the_account_of_somebody_else(door: Door, client: Client, other: Client) -> None:
    [theirs] = client.call("GET", "/api/accounts")
    headers = {"Authorization": other.http.headers["Authorization"]}
    assert door.status(f"{ACCOUNT}?account={theirs['id']}", headers) == (404, "account_not_found")
    reader, opened = door.read(other), door.open(other)
    opened.say(action="subscribe", channel="account", account=theirs["id"], id=7)
    fault = opened.wait_for("error")
    assert (fault["data"]["error_code"], fault["id"]) == ("account_not_found", 7)

    client.order(side="buy", type="market", amount="0.001")
    other.call("GET", "/api/portfolio")  # an opening balance of their own
    other.order(side="buy", type="market", amount="0.001")

    kinds = ("order", "trade", "balance", "position", "reset")
    wait_for(lambda: len(reader.events) >= 4 and len(opened.of(*kinds)) >= 4, 30)
    accounts = {data["account"] for _, _, data in reader.events}
    accounts |= {message["data"]["account"] for message in opened.of(*kinds)}
    [mine] = other.call("GET", "/api/accounts")
    assert accounts == {mine["id"]}
    opened.close()


End = Callable[[Client, str], object]
ENDS: dict[str, End] = {
    "logout": lambda client, _url: client.call("POST", "/api/auth/logout"),
    "logout-all": lambda client, _url: client.call("POST", "/api/auth/logout-all"),
    "session": lambda client, _url: client.call(
        "DELETE", f"/api/auth/sessions/{client.call('GET', '/api/auth/sessions')[0]['id']}"
    ),
    "password": lambda client, _url: client.call(
        "POST",
        "/api/auth/password",
        json={"current_password": PASSWORD, "new_password": "another-long-lovely-day"},
    ),
    "deactivation": lambda client, url: change(url, "UPDATE users SET is_active = FALSE WHERE username = ", client),
}


def change(url: str, statement: str, client: Client) -> None:
    database = Database(url, pool_size=1)
    with database.write() as session:
        session.execute(text(f"{statement}:name"), {"name": client.name})
    database.close()


@pytest.mark.parametrize("end", ENDS)
def test_sessions_that_end_are_cut_within_five_seconds_at_both_doors(
    doors: list[Door], product_url: str, client: Client, other: Client, end: str
) -> None:
    streams: list[EventReader | Socket] = []
    for door in doors:
        streams += [door.read(client), door.read(client, ticket=ticket(client))]
        streams += [door.open(client), door.open(client, ticket(client))]
    others: list[EventReader | Socket] = [doors[0].read(other), doors[1].open(other)]
    unused = [ticket(client), ticket(client)]

    ENDS[end](client, product_url)

    assert seconds_until(lambda: all(each.ended.is_set() for each in streams), 30) <= 15  # 5 when not busy
    assert {each.code for each in streams if isinstance(each, Socket)} == {4401}
    assert not any(each.ended.is_set() for each in others)
    assert doors[0].status(f"{ACCOUNT}?ticket={unused[0]}")[0] == 401
    assert doors[1].status(f"/ws/account?ticket={unused[1]}")[0] == 401
