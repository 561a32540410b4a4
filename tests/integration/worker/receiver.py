"""A server that webhooks lead to: it notes what it is told, and answers as a test says."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Told:
    """A request that came in."""

    id: str
    timestamp: str
    signature: str
    body: bytes


@dataclass
class Receiver:
    """Listen on loopback; `statuses` are the answers to come, the last one for ever, None hangs up without one."""

    statuses: list[int | None] = field(default_factory=lambda: [204])
    location: str = ""
    told: list[Told] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def start(self) -> Receiver:
        receiver = self
        self.gate.set()

        def note(headers: Any, body: bytes) -> None:
            id, timestamp, signature = (headers[f"X-Webhook-{name}"] for name in ("Id", "Timestamp", "Signature"))
            receiver.told.append(Told(id, timestamp, signature, body))

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                note(self.headers, body)
                receiver.gate.wait(60)
                status = receiver.statuses[0] if len(receiver.statuses) == 1 else receiver.statuses.pop(0)
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/told?by=trading"

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
