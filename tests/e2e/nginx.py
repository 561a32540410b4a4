"""nginx as `deploy/nginx.conf` has it, but for its ports and paths."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.certificates import certify
from tests.e2e.running import ROOT, wait_for
from tests.ports import free_port, is_open

CONFIGURATION = ROOT / "deploy" / "nginx.conf"


class Nginx:
    """TLS on a free port in front of the web server and the streamer."""

    def __init__(self, directory: Path, *, web_port: int, stream_port: int) -> None:
        directory.mkdir()
        self.directory = directory
        self.certificate = directory / "fullchain.pem"
        certify(self.certificate, directory / "privkey.pem")
        self.plain_port, self.port = free_port(), free_port()
        self._file = directory / "nginx.conf"
        self._file.write_text(self._substituted(web_port, stream_port))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def logs(self) -> str:
        """Return all that nginx has logged."""
        return "".join(path.read_text() for path in self.directory.glob("*.log"))

    def start(self) -> Nginx:
        command = [shutil.which("nginx") or "nginx", "-e", str(self.directory / "start.log"), "-c", str(self._file)]
        self.process = subprocess.Popen([*command, "-g", "daemon off;"])
        wait_for(lambda: is_open(self.port) or (self.process and self.process.poll() is not None), 30)
        assert self.process.poll() is None, self.logs
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def _substituted(self, web_port: int, stream_port: int) -> str:
        text = CONFIGURATION.read_text()
        own = str(self.directory)
        substitutes = {
            # the directories of tests are their user's alone
            "user www-data;\n": "user root;\n" if os.geteuid() == 0 else "",
            "pid /run/nginx.pid;": f"pid {own}/nginx.pid;",
            "/var/log/nginx/": f"{own}/",
            "/etc/ssl/trading-backend/": f"{own}/",
            "127.0.0.1:5000": f"127.0.0.1:{web_port}",
            "127.0.0.1:5001": f"127.0.0.1:{stream_port}",
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            # where the distribution keeps bodies, only root may write
            "http {\n": "http {\n" + "".join(f"    {name}_temp_path {own}/{name};\n" for name in _TEMPORARY),
            # a test has one address
            "        listen [::]:80;\n": "",
            "        listen [::]:443 ssl http2 backlog=4096;\n": "",
        }
        for written, put in substitutes.items():
            assert written in text, f"{CONFIGURATION.name} lacks {written!r}"
            text = text.replace(written, put)
        return text


_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
