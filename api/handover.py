"""Let the streamer write the answer: it gets the client's connection, and this server's thread is free again."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from collections.abc import Iterator

from flask import Response, request

from api.context import principal, services
from middleware.auth import is_websocket
from middleware.context import credential_expires_at, origins, request_id
from utils.errors import Forbidden, Malformed, Over, TradingError, Unsupported
from utils.event_source import MEDIA_TYPE, wait_instead
from utils.follow import Caller, Handover, OpenSocket, SocketKind, Wish

RELAY_SECONDS = 60
_CHUNK = 64 * 1024
_HANDSHAKE = frozenset({"host", "connection", "upgrade"})


def hand_over(wish: Wish) -> Response:
    """Hand the client over as one who follows `wish`, if the caller may.

    An `EventSource` is told in a stream to come back when what is missing may be there again.

    :raises StreamerUnavailable: the streamer is away; nothing was done.
    :raises Unsupported: `streams_need_proxy` when this server speaks TLS or HTTP/2 itself.
    """
    try:
        return _hand_over(wish)
    except Over:
        return Response(status=204)  # an `EventSource` that is told this comes back no more
    except TradingError as error:
        wait = wait_instead(error, request.headers.get("Accept"))
        if wait is None:
            raise
        return Response(wait, mimetype=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def _hand_over(wish: Wish) -> Response:
    services.streams.check(principal.user_id, wish)
    if request.method == "HEAD":
        return Response(mimetype=MEDIA_TYPE)
    connection = _connection()
    if connection is None:
        return _relay(_handover(wish, origin=None))
    origin = request.headers.get("Origin")
    return _give(_handover(wish, origin if origin and origins.allows(origin) else None), connection)


def hand_over_socket(kind: SocketKind) -> Response:
    """Hand the client over as one who opens a WebSocket; see `hand_over`.

    :raises Malformed: `websocket_handshake` when no WebSocket is asked for.
    :raises Forbidden: `origin_not_allowed` for pages of other origins than those of the settings.
    """
    if not is_websocket():
        raise Malformed("This path is for WebSockets.", code="websocket_handshake")
    origin = request.headers.get("Origin")
    if origin is not None and not origins.allows_socket(origin, request.host):
        raise Forbidden("Pages of this origin may not open WebSockets.", code="origin_not_allowed")
    connection = _connection()
    if connection is None:
        raise Unsupported("This server cannot open WebSockets; run it under gunicorn.", code="websockets_unavailable")
    opening = OpenSocket(kind=kind, handshake=_handshake(), early=_early())
    return _give(_handover(opening, origin=None), connection)


def _handover(wish: Wish | OpenSocket, origin: str | None) -> Handover:
    caller = Caller(
        user_id=principal.user_id,
        session_id=principal.session_id,
        expires_at=credential_expires_at(),
        # a WebSocket uses its ticket up
        ticket=None if isinstance(wish, OpenSocket) else request.args.get("ticket"),
    )
    accept = request.headers.get("Accept")
    return Handover(wish=wish, caller=caller, request_id=request_id(), path=request.path, origin=origin, accept=accept)


def _connection() -> socket.socket | None:
    connection: socket.socket | None = request.environ.get("gunicorn.socket")
    if isinstance(connection, ssl.SSLSocket) or request.environ.get("HTTP_VERSION") == "2":
        detail = "Streams need plain HTTP/1.1 here; let a proxy speak TLS, or set STREAM_PORT."
        raise Unsupported(detail, code="streams_need_proxy")
    return connection


def _give(handover: Handover, connection: socket.socket) -> Response:
    services.streamer.hand_over(handover, connection)
    # Only now: had the streamer been away, the client would still be here to be told. gunicorn keeps a dead end, so
    # that whatever it does to its connection does not reach the client.
    dead, other = socket.socketpair()
    other.close()
    os.dup2(dead.fileno(), connection.fileno(), inheritable=False)
    dead.close()
    # nobody reads this; it is what the log says
    status = 101 if isinstance(handover.wish, OpenSocket) else 200
    return Response(status=status, mimetype="text/event-stream", headers={"Connection": "close"})


def _handshake() -> bytes:
    lines = [
        f"{name}: {value}\r\n"
        for name, value in request.headers
        if name.lower() in _HANDSHAKE or name.lower().startswith("sec-websocket-")
    ]
    return f"GET / HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1")


def _early() -> bytes:
    """Return what gunicorn has read beyond the request: the first frames may have come in the same piece."""
    reader = getattr(request.environ.get("wsgi.input"), "reader", None)
    unreader = getattr(reader, "unreader", None)
    return b"" if unreader is None else bytes(unreader.take_buffered())


def _relay(handover: Handover) -> Response:
    """Pass on what the streamer writes: servers other than gunicorn do not let go of a connection."""
    ours, theirs = socket.socketpair()
    ours.settimeout(RELAY_SECONDS)
    with theirs:
        services.streamer.hand_over(handover, theirs)
    answer = http.client.HTTPResponse(ours)
    answer.begin()
    headers = [(name, value) for name, value in answer.getheaders() if name.lower() != "connection"]
    response = Response(_pieces(answer), answer.status, headers)
    response.call_on_close(answer.close)
    response.call_on_close(ours.close)
    return response


def _pieces(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while piece := answer.read1(_CHUNK):
        yield piece
