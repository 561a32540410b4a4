"""Bodies: at most 1 MB is read for a request; a client that sends more still hears why it was refused."""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app, request
from werkzeug.exceptions import ClientDisconnected, NotFound, RequestEntityTooLarge

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

MAX_BODY = 1024 * 1024
"""For routes that do not say otherwise (`max_body` of their view)."""
MAX_DRAINED = 16 * 1024 * 1024
PAUSE_SECONDS = 2.0
_CHUNK = 64 * 1024


def install(app: Flask) -> None:
    """Refuse bodies that are too large, and paths that no database can look up."""
    # one more than allowed: werkzeug cuts a chunked body off at its limit without a word, the byte too many tells
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY + 1
    app.wsgi_app = Drained(app.wsgi_app)  # type: ignore[method-assign]

    @app.before_request
    def refuse() -> None:
        most = allowed()
        if most != MAX_BODY:
            request.max_content_length = most + 1
            if isinstance(body := request.environ["wsgi.input"], _Counted):
                body.allow(most)
        if (request.content_length or 0) > most:
            raise RequestEntityTooLarge
        if "\x00" in request.path:
            raise NotFound


def allowed() -> int:
    """Return how many bytes the body of the present request may have."""
    view = current_app.view_functions.get(request.endpoint or "")
    most: int = getattr(view, "max_body", MAX_BODY)
    return most


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
        # without either header there is no body
        chunked = bool(environ.get("wsgi.input_terminated")) and "HTTP_TRANSFER_ENCODING" in environ
        if not chunked and not length.isdigit():
            return self._app(environ, start_response)
        body = _Counted(environ["wsgi.input"], int(length) if length.isdigit() else None)
        environ["wsgi.input"] = body
        answer = self._app(environ, start_response)
        body.drain(environ.get("gunicorn.socket"))
        return answer


class _Counted(io.RawIOBase):
    """A body that knows how much of it is left; `length` is None when only its end tells."""

    def __init__(self, stream: InputStream, length: int | None) -> None:
        self._stream = stream
        self._left = length
        self._allowed = MAX_BODY

    def allow(self, most: int) -> None:
        """Let so much be read instead; nothing was yet."""
        self._allowed = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer) if self._left is None else min(len(buffer), self._left)
        # asking a socket for more than the client sends would wait for ever
        try:
            chunk = self._stream.read(size) if size else b""
        except Exception as error:  # a server has errors of its own for broken chunks and lost clients
            raise ClientDisconnected from error
        buffer[: len(chunk)] = chunk
        if self._left is not None:
            self._left -= len(chunk)
        self._allowed -= len(chunk)
        if self._allowed < 0:
            raise RequestEntityTooLarge
        return len(chunk)

    def drain(self, connection: socket.socket | None) -> None:
        if self._left == 0:
            return
        self._allowed = MAX_DRAINED
        # whatever goes wrong here, the client has left or sends garbage, and the answer is ready all the same
        with contextlib.suppress(Exception), _impatient(connection):
            while self.read(_CHUNK):
                pass


@contextlib.contextmanager
def _impatient(connection: socket.socket | None) -> Iterator[None]:
    """Wait for no more than `PAUSE_SECONDS`: a client that pauses may be waiting for the answer."""
    if connection is None:
        yield
        return
    patience = connection.gettimeout()
    connection.settimeout(PAUSE_SECONDS)
    try:
        yield
    finally:
        connection.settimeout(patience)
