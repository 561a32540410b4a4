"""A real browser with a page of ours, served from an origin of its own, that reports what it sees."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.e2e.running import wait_for

PAGES = Path(__file__).with_name("pages")


def chromium() -> str:
    """Return the path of the browser."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))


class PageServer:
    """Serve the pages in `pages`, and `made` ones, on a free port of this machine, and keep what they report."""

    def __init__(self) -> None:
        self.reports: dict[str, Any] = {}
        self.made: dict[str, str] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.strip("/")
                page = PAGES / name
                if name in server.made:
                    self._answer(200, server.made[name].encode())
                elif page.parent == PAGES and page.is_file():
                    self._answer(200, page.read_bytes())
                else:
                    self._answer(404, b"")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.reports[self.headers["Referer"]] = json.loads(body)
                self._answer(204, b"")

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Page:
    """A page that a browser of its own shows."""

    def __init__(self, server: PageServer, host: str, name: str, profile: Path, **given: Any) -> None:
        self.origin = f"http://{host}:{server.port}"
        self._server = server
        self._address = f"{self.origin}/{name}"
        command = [
            *(chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *(
                f"--user-data-dir={profile}",
                "--disable-background-networking",
                "--no-first-run",
                f"{self._address}#{quote(json.dumps(given))}",
            ),
        ]
        # a group of its own: a browser is many processes
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    @property
    def report(self) -> dict[str, Any]:
        """Return what the page said last."""
        found: dict[str, Any] = self._server.reports.get(self._address, {})
        return found

    def wait_for(self, condition: Callable[[dict[str, Any]], object], seconds: float = 60) -> dict[str, Any]:
        """Wait until what the page reports is as it should be, and return it."""
        try:
            wait_for(lambda: self.report and condition(self.report), seconds)
        except AssertionError:
            raise AssertionError(f"the page reports {self.report}") from None
        return self.report

    def close(self) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
            return
        self._process.kill()
        self._process.wait(5)
