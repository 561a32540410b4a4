"""Answers to requests for streams, as bytes: the head of a stream, or a problem."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from utils import json, problems
from utils.errors import Malformed, TradingError
from utils.event_source import wait_instead
from utils.origins import EXPOSED


class Answer:
    """How one request is answered. `origin` is the page's, when it may read the answer; `accept` is a header."""

    __slots__ = ("_accept", "_origin", "_path", "_request_id")

    def __init__(self, *, path: str, request_id: str, origin: str | None, accept: str | None = None) -> None:
        self._path = path
        self._accept = accept
        self._request_id = request_id
        self._origin = origin

    def head(self) -> bytes:
        """Return the head of a stream of server-sent events."""
        return self._head(
            HTTPStatus.OK, {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
        )

    def problem(self, error: TradingError) -> bytes:
        """Return the whole answer that tells of `error`; an `EventSource` is told to wait if that may help."""
        wait = wait_instead(error, self._accept)
        if wait is not None:
            return self.head() + wait
        return self._problem(problems.status_of(error), error)

    def over(self) -> bytes:
        """Return the whole answer after which an `EventSource` comes back no more."""
        return self._head(HTTPStatus.NO_CONTENT, {})

    def wrong_method(self) -> bytes:
        """Return the whole answer to a request that is no GET."""
        error = Malformed("This path has no such method.", code="method_not_allowed")
        return self._problem(HTTPStatus.METHOD_NOT_ALLOWED, error)

    def _problem(self, status: int, error: TradingError) -> bytes:
        members = problems.problem(
            status, error.code, error.detail, instance=self._path, request_id=self._request_id, fields=error.errors
        )
        body = json.dumps(members)
        headers = problems.headers_of(status, error.code, problems.retry_after_of(error, status))
        fixed = {"Content-Type": problems.MIMETYPE, "Content-Length": str(len(body))}
        return self._head(HTTPStatus(status), fixed | headers) + body

    def preflight(self, headers: Sequence[str], max_age: int) -> bytes:
        """Return the answer to a browser that asks what a page may send."""
        return self._head(
            HTTPStatus.NO_CONTENT,
            {
                "Access-Control-Allow-Headers": ", ".join(headers),
                "Access-Control-Allow-Methods": "GET",
                "Access-Control-Max-Age": str(max_age),
            },
        )

    def _head(self, status: HTTPStatus, headers: dict[str, str]) -> bytes:
        headers = headers | {
            "Cache-Control": "no-store",
            "Connection": "close",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Request-ID": self._request_id,
        }
        if self._origin is not None:
            headers |= {
                "Access-Control-Allow-Origin": self._origin,
                "Access-Control-Expose-Headers": ", ".join(EXPOSED),
                "Vary": "Origin",
            }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {status.value} {status.phrase}\r\n{lines}\r\n".encode("latin-1", "replace")
