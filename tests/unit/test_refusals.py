from __future__ import annotations

import json
import socket

import pytest

from supervisor import refusals
from tests.problems import MEMBERS


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (400, "Bad Request", "malformed_request"),
        (414, "URI Too Long", "uri_too_long"),
        (431, "Request Header Fields Too Large", "headers_too_large"),
        (417, "Expectation Failed", "expectation_failed"),
        (500, "Internal Server Error", "internal_error"),
    ],
)
def test_is_a_problem_that_repeats_nothing(status: int, reason: str, code: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        refusals.write(ours, status, reason, "Invalid Request Line '<script>'")
        ours.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: theirs.recv(65536), b""))

    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    problem = json.loads(body)
    assert lines[0].startswith(f"HTTP/1.1 {status} ")
    assert headers["Content-Type"] == "application/problem+json"
    assert int(headers["Content-Length"]) == len(body)
    assert set(problem) == MEMBERS
    assert (problem["status"], problem["error_code"]) == (status, code)
    assert problem["request_id"] == headers["X-Request-ID"]
    assert b"script" not in received
