"""Bodies: at most 1 MB is read for a request; a client that sends more still hears why it was refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, request
from werkzeug.exceptions import NotFound, RequestEntityTooLarge

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

MAX_BODY = 1024 * 1024
MAX_DRAINED = 16 * 1024 * 1024
_CHUNK = 64 * 1024


def install(app: Flask) -> None:
    """Refuse bodies that are too large, and paths that no database can look up."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.wsgi_app = Drained(app.wsgi_app)  # type: ignore[method-assign]

    @app.before_request
    def refuse() -> None:
        if (request.content_length or 0) > MAX_BODY:
            raise RequestEntityTooLarge
        if "\x00" in request.path:
            raise NotFound


class Drained:
    """Read what is left of a body before the answer is sent.

    A server that closes a connection with unread bytes resets it, and the answer is lost on the way to a client that
    is still sending.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Call the app, then read the rest of the body."""
        length = environ.get("CONTENT_LENGTH") or ""
        chunked = bool(environ.get("wsgi.input_terminated"))
        if not chunked and not length.isdigit():
            return self._app(environ, start_response)
        body = _Counted(environ["wsgi.input"], int(length) if length.isdigit() else None)
        environ["wsgi.input"] = body
        answer = self._app(environ, start_response)
        body.drain()
        return answer


class _Counted:
    """A body that knows how much of it is left; `length` is None when only its end tells."""

    def __init__(self, stream: InputStream, length: int | None) -> None:
        self._stream = stream
        self._left = length

    def read(self, size: int = -1, /) -> bytes:
        return self._count(self._stream.read(self._bounded(size)))

    def readline(self, size: int = -1, /) -> bytes:
        return self._count(self._stream.readline(self._bounded(size)))

    def drain(self) -> None:
        drained = 0
        try:
            while drained < MAX_DRAINED and (chunk := self.read(_CHUNK)):
                drained += len(chunk)
        except Exception:  # noqa: S110 - the client went away or sent garbage: the answer is ready all the same
            pass

    def _bounded(self, size: int) -> int:
        if self._left is None:
            return size
        return self._left if size < 0 else min(size, self._left)

    def _count(self, chunk: bytes) -> bytes:
        if self._left is not None:
            self._left -= len(chunk)
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
