"""How far a request has come, told from its bytes."""

from __future__ import annotations

import pytest

from supervisor.gate import MAX_GATHERED, MAX_HEAD, Progress, progress

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", Progress.PARTIAL),
        (b"G", Progress.PARTIAL),
        (GET, Progress.PARTIAL),
        (GET + b"\r\n", Progress.COMPLETE),
        (b"\x00\xff\r\n\r\n", Progress.COMPLETE),  # the parser refuses it
        (GET + b"X: content-length: 5\r\n\r\n", Progress.COMPLETE),
        (POST + b"Content-Length: 2\r\n\r\n", Progress.PARTIAL),
        (POST + b"Content-Length: 2\r\n\r\n{", Progress.PARTIAL),
        (POST + b"Content-Length: 2\r\n\r\n{}", Progress.COMPLETE),
        (POST + b"cOnTeNt-LeNgTh:\t 0002 \r\n\r\n{", Progress.PARTIAL),
        (POST + b"Content-Length: 2\r\n\r\n{}GET / HT", Progress.COMPLETE),
        (POST + b"Content-Length: -2\r\n\r\n", Progress.COMPLETE),  # the parser refuses it
        (POST + b"Content-Length: %d\r\n\r\n" % MAX_GATHERED, Progress.PARTIAL),
        (POST + b"Content-Length: %d\r\n\r\n" % (MAX_GATHERED + 1), Progress.SLOW),
        (POST + b"Content-Length: " + b"9" * 8000 + b"\r\n\r\n", Progress.SLOW),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Progress.SLOW),
        (POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", Progress.SLOW),
        (POST + b"Content-Length: 2\r\n" + b"X" * MAX_HEAD, Progress.SLOW),
    ],
)
def test_progress(sent: bytes, expected: Progress) -> None:
    assert progress(sent) is expected
