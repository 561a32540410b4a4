"""What `python app.py` does: prepare the installation, then keep its processes running."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from config import Settings, SettingsError
from supervisor.supervisor import Supervisor
from utils import logs
from utils.errors import TradingError, explained
from utils.part import Part

ROOT = Path(__file__).resolve().parent.parent
BACKLOG = 2048
QUEUE_SECONDS = 0.5
ORPHAN_SECONDS = 8.0
"""How long the parts of a supervisor that was killed may take to notice it."""


class StartRefused(Exception):
    """This installation cannot start here; the message says why in one line."""


def main() -> NoReturn:
    """Run until a signal and exit: 0 after a clean stop, 1 when it cannot run, 2 when the settings are wrong."""
    try:
        sys.exit(_run())
    except SettingsError as error:
        _fail(2, str(error))
    except StartRefused as error:
        _fail(1, str(error))
    except TradingError as error:
        _fail(1, explained(error))
    except KeyboardInterrupt:  # before the supervisor listens to signals
        sys.exit(0)


def _run() -> int:
    began = time.monotonic()
    # DATA_DIR may be there already, and open to everybody who has an account on this machine
    os.umask(0o077)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = _settings()
    logs.configure(settings, "supervisor")
    with lock(settings.data_dir) as locked, listen(settings.host, settings.port) as listener:
        host, port = settings.host, listener.getsockname()[1]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

        def announce() -> None:
            seconds = time.monotonic() - began
            _say(f"Trading Backend ready at {address} (docs at /docs), {seconds:.1f} s after the start")

        streamer, engine, worker, web = parts({**os.environ, "PORT": str(port)}, listener, locked)
        # OctoBot takes seconds to import: meanwhile the rest is prepared. Who comes first migrates, the other waits.
        engine.start()
        try:
            # Not before: SQLAlchemy takes a while to import, and a refused start shall say so at once.
            from supervisor.prepare import prepare

            password = prepare(settings)
        except BaseException:
            engine.kill()
            raise
        if password is not None:
            _say(f"Created the first admin: {settings.admin_username or 'admin'} / {password} (shown this once)")
        supervisor = Supervisor(
            [streamer, engine, worker, web],
            # While the engine has no socket the answer is known; asking would fill the log with refusals.
            probe=lambda: settings.engine_socket.exists() and is_ready(_reachable(host), port),
            announce=announce,
            before_stop=lambda: refuse(listener),
        )
        supervisor.listen()
        return supervisor.run()


def parts(environment: Mapping[str, str], listener: socket.socket, locked: int) -> list[Part]:
    """Return the processes in the order they start. All hold the lock: it is free only when the last one is gone.

    They stop the other way round: the streamer last, so that clients hear what the engine still commits.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), environment.get("PYTHONPATH"))))
    environment = {**environment, "PYTHONPATH": path}
    return [
        Part("streamer", [sys.executable, "-m", "streaming"], environment=environment, descriptors=[locked]),
        Part("engine", [sys.executable, "-m", "engine"], environment=environment, descriptors=[locked]),
        Part("worker", [sys.executable, "-m", "worker"], environment=environment, descriptors=[locked]),
        Part(
            "web server",
            [
                *(sys.executable, "-m", "gunicorn"),
                *("--config", str(ROOT / "supervisor" / "gunicorn_conf.py")),
                *("--bind", f"fd://{listener.fileno()}"),
                "app:create_app()",
            ],
            environment=environment,
            descriptors=[locked, listener.fileno()],
            stop_signal=signal.SIGTERM,
        ),
    ]


@contextlib.contextmanager
def lock(data_dir: Path) -> Iterator[int]:
    """Own `data_dir` as long as the block and the parts started in it last; give the lock's descriptor.

    :raises StartRefused: when another supervisor owns it, or it cannot be written to.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (data_dir / "supervisor.lock").open("a+", encoding="ascii")
    except OSError as error:
        raise StartRefused(f"DATA_DIR {data_dir} cannot be used: {error.strerror}") from error
    with file:
        deadline = time.monotonic() + ORPHAN_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                file.seek(0)
                owner = file.read().strip()
                # A dead owner's parts are about to follow it.
                if _is_alive(owner) or time.monotonic() > deadline:
                    raise StartRefused(
                        f"Another Trading Backend (process {owner}) runs in {data_dir}; "
                        "stop it or choose another DATA_DIR"
                    ) from None
                time.sleep(0.1)
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield file.fileno()


@contextlib.contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """Give a listening socket (port 0: any free one).

    :raises StartRefused: when the address cannot be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # A name may have several addresses; clients that know only IPv4 are the more common ones.
        family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartRefused(f"HOST={host} is no address to listen on: {error.strerror}") from error
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError as error:
            raise StartRefused(
                f"Port {port} on {host} cannot be used ({error.strerror}); stop what uses it or choose another: PORT="
            ) from error
        yield listener


def refuse(listener: socket.socket) -> None:
    """Refuse whoever comes from now on, instead of letting them wait for an answer that nobody will give.

    Closing would not do: the web server has the socket too, and connections would queue up until its end resets them.
    """
    patience = time.monotonic() + QUEUE_SECONDS
    while _queued(listener) and time.monotonic() < patience:
        time.sleep(0.001)  # those who came already are about to be accepted
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def _queued(listener: socket.socket) -> int:
    option: int | None = getattr(socket, "TCP_INFO", None)  # Linux has it
    if option is None:
        return 0
    # struct tcp_info: of a listening socket tcpi_unacked is the length of its queue
    return int.from_bytes(listener.getsockopt(socket.IPPROTO_TCP, option, 28)[24:28], sys.byteorder)


def is_ready(host: str, port: int) -> bool:
    """Tell whether the server answers that all its parts work."""
    connection = http.client.HTTPConnection(host, port, timeout=2.0)
    try:
        connection.request("GET", "/health/ready", headers={"Connection": "close"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _settings() -> Settings:
    try:
        return Settings.from_env()
    except OSError as error:
        raise StartRefused(f"The secrets cannot be kept in DATA_DIR ({error.filename}): {error.strerror}") from error


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _fail(code: int, line: str) -> NoReturn:
    sys.stderr.write(f"Trading Backend cannot start: {line}\n")
    sys.exit(code)
