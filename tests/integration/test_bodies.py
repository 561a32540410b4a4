"""Bodies as bad as they come: always a 4xx that says what is wrong, never a 5xx."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from config import Settings
from tests.conftest import SECRET
from tests.e2e.running import wait_for
from tests.ports import free_port, is_open
from tests.problems import assert_problem, fields

MALFORMED = {
    "deep arrays": b"[" * 100_000,
    "deep closed arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a little too deep": b"[" * 33 + b"]" * 33,
    "nothing": b"",
    "space": b"   ",
    "truncated": b'{"username": "ada"',
    "truncated string": b'{"username": "ada',
    "truncated escape": b'{"a": "\\u00"}',
    "truncated UTF-8": b'{"username": "\xe2\x82"}',
    "overlong UTF-8": b'{"username": "\xc0\xaf"}',
    "UTF-8 surrogate": b'{"username": "\xed\xa0\x80"}',
    "UTF-16": '{"username": "ada"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"username": "ada"}',
    "latin-1": b'{"username": "\xe9"}',
    "NaN": b'{"username": NaN}',
    "Infinity": b"[-Infinity]",
    "trailing comma": b'{"username": "ada",}',
    "two values": b"{} {}",
    "garbage after": b"{}x",
    "single quotes": b"{'username': 'ada'}",
    "no quotes": b"{username: 1}",
    "comment": b"{} // x",
    "raw newline in a string": b'{"a": "\n"}',
    "raw NUL in a string": b'{"a": "\x00"}',
    "leading zero": b"[012]",
    "plus sign": b"[+1]",
    "hexadecimal": b"[0x1]",
    "bare point": b"[1.]",
    "an exponent beyond all bounds": b"[1e" + b"9" * 100 + b"]",
    "other digits": "[１]".encode(),  # noqa: RUF001
    "binary": bytes(range(256)),
    "form": b"username=ada",
    "XML": b"<username>ada</username>",
}
UNPROCESSABLE = {
    "null": b"null",
    "array": b"[]",
    "string": b'"text"',
    "number": b"1e400",
    "a whole number of half a million digits": b"1" * 500_000,
    "such a number for a string": b'{"username": ' + b"1" * 500_000 + b', "password": "x"}',
    "true": b"true",
    "array of arrays": b"[" * 32 + b"]" * 32,
    "no fields": b"{}",
    "empty name": b'{"": 1}',
    "NUL": b'{"username": "a\\u0000b", "password": "x"}',
    "NUL in a name": b'{"a\\u0000b": 1}',
    "high surrogate": b'{"username": "\\ud800", "password": "x"}',
    "low surrogate": b'{"username": "\\udc00x", "password": "x"}',
    "surrogates the wrong way round": b'{"username": "\\ude00\\ud83d", "password": "x"}',
    "surrogate in a name": b'{"\\udfff": 1}',
    "nested surrogate": b'{"username": [{"a": ["\\ud800"]}], "password": "x"}',
    "object for a string": b'{"username": {"$ne": null}, "password": {"$ne": null}}',
    "number for a string": b'{"username": 1e5, "password": 1.5}',
    "a long name": b'{"username": "' + b"a" * 900_000 + b'", "password": "x"}',
    "a long password": b'{"username": "ada", "password": "' + b"a" * 900_000 + b'"}',
    "many fields": json.dumps({f"field{number}": number for number in range(20_000)}).encode(),
    "prototype": b'{"__proto__": {"is_admin": true}, "constructor": 1}',
}


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/signup", "/api/auth/refresh"])
@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_not_json_is_400(client: FlaskClient, path: str, name: str) -> None:
    answer = client.post(path, data=MALFORMED[name], content_type="application/json")
    assert_problem(answer, 400, "malformed_json")


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/signup", "/api/auth/refresh"])
@pytest.mark.parametrize("name", UNPROCESSABLE)
def test_json_that_makes_no_sense_is_422(client: FlaskClient, path: str, name: str) -> None:
    answer = client.post(path, data=UNPROCESSABLE[name], content_type="application/json")
    assert assert_problem(answer, 422, "validation_failed")["errors"]


@pytest.mark.parametrize("body", ["[]", '"ada"', "5", "null"])
def test_what_is_no_object_is_told_so(client: FlaskClient, body: str) -> None:
    answer = client.post("/api/auth/signup", data=body, content_type="application/json")
    assert assert_problem(answer, 422, "validation_failed")["detail"] == "The body must be a JSON object."


def test_a_fault_deep_inside_is_named_by_its_path(client: FlaskClient) -> None:
    answer = client.post("/api/auth/login", data=UNPROCESSABLE["nested surrogate"], content_type="application/json")
    assert fields(answer.get_json()) == {("username.0.a.0", "invalid_text")}


def test_a_whole_pair_of_surrogates_is_a_letter(client: FlaskClient) -> None:
    body = b'{"username": "\\ud83d\\ude00", "password": "x"}'
    assert_problem(
        client.post("/api/auth/login", data=body, content_type="application/json"), 401, "invalid_credentials"
    )


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/vnd.api+json"])
def test_kinds_of_json(client: FlaskClient, kind: str) -> None:
    answer = client.post("/api/auth/login", data=b"{}", content_type=kind)
    assert_problem(answer, 422, "validation_failed")


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json", "é"]
)
def test_other_kinds_are_415(client: FlaskClient, kind: str) -> None:
    answer = client.post("/api/auth/login", data=b"{}", content_type=kind)
    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "text",
    ["' OR '1'='1", "<script>alert(1)</script>", "${7*7}", "../../etc/passwd", "\u202e", "田中さん", "\ufeff", "%s%n"],
)
def test_naughty_strings_are_only_strings(client: FlaskClient, text: str) -> None:
    answer = client.post("/api/auth/login", json={"username": text, "password": text})
    assert_problem(answer, 401, "invalid_credentials")
    assert client.get(f"/api/accounts/{text}").status_code in {401, 404}
    assert client.get("/api/auth/me", query_string={text: text}).status_code == 401


@contextmanager
def werkzeug_server(app: Flask) -> Iterator[int]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def gunicorn_server(settings: Settings, tmp_path: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "-k", "gthread", "-w", "1", "--threads", "4"]
    environment = {
        "PATH": "/usr/bin:/bin",
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": SECRET,
    }
    process = subprocess.Popen([*command, "-b", f"127.0.0.1:{port}", "app:create_app()"], env=environment)
    try:
        wait_for(lambda: is_open(port) or process.poll() is not None, 60)
        yield port
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(params=["werkzeug", "gunicorn"])
def port(request: pytest.FixtureRequest, app: Flask, settings: Settings, tmp_path: Path) -> Iterator[int]:
    server: Any = werkzeug_server(app) if request.param == "werkzeug" else gunicorn_server(settings, tmp_path)
    with server as chosen:
        yield chosen


MEGABYTE = 1024 * 1024


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/me", "/nope"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_413_reaches_a_client_that_is_still_sending(port: int, path: str, framing: str) -> None:
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        size = f"Content-Length: {10 * MEGABYTE}" if framing == "length" else "Transfer-Encoding: chunked"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{size}\r\n\r\n"
        connection.sendall(head.encode())
        for _ in range(10):  # a client that reads nothing before it has sent all
            piece = b"x" * MEGABYTE
            connection.sendall(piece if framing == "length" else b"%x\r\n%s\r\n" % (len(piece), piece))
            time.sleep(0.01)
        if framing == "chunked":
            connection.sendall(b"0\r\n\r\n")
        answer = connection.recv(65536)
    status = int(answer.split(b" ", 2)[1])
    if framing == "length":
        assert status == 413
    else:  # a length that nobody has told is found out by whoever reads the body
        assert status == {"/api/auth/login": 413, "/api/auth/me": 405, "/nope": 404}[path]


def test_one_byte_over_a_megabyte_is_too_much(client: FlaskClient) -> None:
    answer = client.post("/api/auth/login", data=b"x" * (MEGABYTE + 1), content_type="application/json")
    assert_problem(answer, 413, "body_too_large")
    fits = client.post("/api/auth/login", data=b"x" * MEGABYTE, content_type="application/json")
    assert_problem(fits, 400, "malformed_json")


def test_deep_nesting_does_not_kill_a_servers_thread(port: int) -> None:
    for name in ("deep arrays", "deep closed arrays", "deep objects"):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/auth/signup", MALFORMED[name], {"Content-Type": "application/json"}
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=60)
        assert caught.value.code == 400
        caught.value.close()
