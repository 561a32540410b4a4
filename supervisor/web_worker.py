"""gunicorn's threaded worker, made patient: a client that is slow costs it no thread.

The threads of gunicorn's own read from the client themselves, without a limit of time, and a few dozen clients that
send nothing after their first byte keep them all. Here the event loop gathers a request, and a thread gets it whole.
Nor do they wait for a client that takes nothing of its answer: the event loop sends what is left of that.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from gunicorn.http import errors
from gunicorn.workers.gthread import _DEFER, TConn, ThreadWorker

from supervisor.gate import Progress, progress
from supervisor.patient_socket import ANSWER_SECONDS, SEND_SECONDS, PatientSocket
from utils import ids, json
from utils.problems import MIMETYPE, problem

GATHER_SECONDS = 10.0
"""How long a client may take to send a request that is gathered."""

SLOW_SECONDS = 30.0
"""How long a request that a slow thread reads may take as a whole."""

SLOW_THREADS = 4
LINGER_SECONDS = 2.0
"""How long a client may take to close after the last answer; closing first could cut that answer off."""

MAX_MEMORY = 16 * 1024 * 1024
"""What all gathered requests of a process may take; the ones that came first go first."""

MAX_UNSENT = 64 * 1024 * 1024
"""What all answers that wait for their clients may take of a process; the ones that came first go first."""

STOP_SECONDS = 10.0
"""What is left to a slow thread, and to a client that takes its answer slowly, when the process stops."""

_CHUNK = 64 * 1024
_SEND_TIMEOUT = struct.pack("ll", int(SEND_SECONDS), 0)
_log = logging.getLogger(__name__)

_REFUSALS: dict[type[Exception], tuple[int, str, str]] = {
    errors.LimitRequestLine: (414, "uri_too_long", "The request line is too long."),
    errors.LimitRequestHeaders: (431, "headers_too_large", "There are too many headers, or one is too large."),
    errors.ExpectationFailed: (417, "expectation_failed", "There is nothing to expect but 100-continue."),
    errors.UnsupportedTransferCoding: (501, "transfer_coding_unknown", "The only transfer coding is chunked."),
    errors.ParseException: (400, "malformed_request", "The request could not be read."),
}
_TOO_SLOW = (408, "request_timeout", "The request did not come in time.")
_FAILED = (500, "internal_error", "Something went wrong here. The log tells more under this request_id.")


class WebWorker(ThreadWorker):  # type: ignore[misc]
    """Serve connections; everything here but what a thread does with a whole request runs on the event loop."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._gathered: dict[TConn, bytearray] = {}
        # connections that the event loop watches, and those a slow thread reads: until when, in the order they came
        self._watched: dict[TConn, float] = {}
        self._slow: dict[TConn, float] = {}
        # connections whose answers wait for their clients: until when, and what became of the request
        self._unsent: dict[TConn, tuple[float, Future[Any]]] = {}
        self._memory = 0

    def init_process(self) -> None:
        """Serve until the end; called after the fork, which threads would not survive."""
        self._slow_pool = ThreadPoolExecutor(SLOW_THREADS, thread_name_prefix="slow")
        super().init_process()

    def accept(self, listener: Any) -> None:
        """Accept a connection; drain when the supervisor has stopped the listening."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self.alive = False

    def enqueue_req(self, conn: TConn) -> None:
        """Gather the next request of `conn`; a thread gets it when it is there."""
        if self.cfg.is_ssl:
            super().enqueue_req(conn)  # what has come is known after decrypting alone
            return
        if not conn.initialized:
            conn.sock = PatientSocket.of(conn.sock)
            conn.init()
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
        conn.sock.setblocking(False)
        self._gathered[conn] = bytearray(conn.parser.unreader.take_buffered())
        self._memory += len(self._gathered[conn])
        self._gather(conn)

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Send the rest of the answer, keep the connection or wait for its client to close it, without a thread."""
        self._slow.pop(conn, None)
        if isinstance(conn.sock, PatientSocket) and conn.sock.kept and conn.sock.fileno() != -1:
            self._unsent[conn] = (time.monotonic() + ANSWER_SECONDS, fs)
            self._watch(conn, SEND_SECONDS, self._send, EVENT_WRITE)
            while sum(len(each.sock.kept) for each in self._unsent) > MAX_UNSENT:
                self._close(next(iter(self._unsent)))
            return
        if not fs.cancelled() and fs.exception() is None and (fs.result() is _DEFER or fs.result()):
            super().finish_request(conn, fs)
            return
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self._watch(conn, LINGER_SECONDS, self._linger)
        except (OSError, ValueError):
            self._close(conn)

    def murder_pending(self) -> None:
        """Close what took too long; gunicorn's loop calls this every second."""
        super().murder_pending()
        now = time.monotonic()
        for conn, until in list(self._watched.items()):
            # what has not come when the worker stops is not waited for longer than an idle connection
            patience = STOP_SECONDS if conn in self._unsent else LINGER_SECONDS
            self._watched[conn] = until if self.alive else min(until, now + patience)
            if now >= until:
                if self._gathered.get(conn):
                    self._refuse(conn.sock, *_TOO_SLOW)
                self._close(conn)
        for conn, until in list(self._slow.items()):
            self._slow[conn] = until if self.alive else min(until, now + STOP_SECONDS)
            if now >= until:
                del self._slow[conn]
                self._hang_up(conn)

    def handle_error(self, _req: Any, client: socket.socket, _addr: Any, exc: Exception) -> None:
        """Answer what is no HTTP with the API's own error body."""
        answer = next((_REFUSALS[kind] for kind in type(exc).__mro__ if kind in _REFUSALS), _FAILED)
        request_id = self._refuse(client, *answer)
        if answer is _FAILED:
            _log.error("request %s failed", request_id, exc_info=exc)
        else:
            _log.info("refused a request that cannot be read: %s", type(exc).__name__, extra={"request_id": request_id})

    def _gather(self, conn: TConn, _file: object = None) -> None:
        gathered = self._gathered[conn]
        has_ended = False
        try:
            chunk = conn.sock.recv(_CHUNK)
            has_ended = not chunk
            gathered += chunk
            self._memory += len(chunk)
        except BlockingIOError:
            pass
        except OSError:
            has_ended = True
        state = progress(gathered)
        if state is not Progress.COMPLETE and has_ended:
            self._close(conn)
            return
        if state is Progress.PARTIAL:
            # most requests come in one piece, and the poller never hears of them
            if conn not in self._watched:
                self._watch(conn, GATHER_SECONDS, self._gather)
            self._make_room()
            return
        self._forget(conn)
        conn.parser.unreader.unread(bytes(gathered))
        conn.data_ready = True
        if state is Progress.SLOW:
            self._slow[conn] = time.monotonic() + SLOW_SECONDS
        pool = self._slow_pool if state is Progress.SLOW else self.tpool
        done = pool.submit(self.handle, conn)
        done.add_done_callback(lambda future: self.method_queue.defer(self.finish_request, conn, future))

    def _make_room(self) -> None:
        while self._memory > MAX_MEMORY:
            self._close(next(iter(self._gathered)))

    def _send(self, conn: TConn, _file: object = None) -> None:
        try:
            is_sent = conn.sock.send_kept()
        except OSError:
            self._close(conn)
            return
        until, done = self._unsent[conn]
        if is_sent:
            self._forget(conn)
            self.finish_request(conn, done)
        elif self.alive:
            self._watched[conn] = min(time.monotonic() + SEND_SECONDS, until)

    def _linger(self, conn: TConn, _file: object = None) -> None:
        try:
            if conn.sock.recv(_CHUNK):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._close(conn)

    def _watch(
        self, conn: TConn, seconds: float, act: Callable[[TConn, object], None], event: int = EVENT_READ
    ) -> None:
        self._watched[conn] = time.monotonic() + seconds
        self.poller.register(conn.sock, event, partial(act, conn))

    def _forget(self, conn: TConn) -> None:
        self._memory -= len(self._gathered.pop(conn, b""))
        self._unsent.pop(conn, None)
        if self._watched.pop(conn, None) is not None:
            self.poller.unregister(conn.sock)

    def _close(self, conn: TConn) -> None:
        self._forget(conn)
        self.nr_conns -= 1
        conn.close()

    @staticmethod
    def _hang_up(conn: TConn) -> None:
        with contextlib.suppress(OSError):
            conn.sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it

    @staticmethod
    def _refuse(client: socket.socket, status: int, code: str, detail: str) -> str:
        request_id = ids.new_id()
        members = problem(status, code, detail, instance="", request_id=request_id)
        body = json.dumps(members)
        head = (
            f"HTTP/1.1 {status} {members['title']}\r\nConnection: close\r\nContent-Type: {MIMETYPE}\r\n"
            f"Cache-Control: no-store\r\nX-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            client.send(head.encode() + body)
        except OSError:
            _log.debug("the client had left before it was refused")
        return request_id
