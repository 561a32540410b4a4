"""The supervisor's promises, kept with real gunicorn and a stand-in for the engine."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Server, wait_for

DRIVER = """
import sys, types
from supervisor import run
from utils.errors import StorageUnavailable

def parts(*arguments):
    streamer, engine, worker, web = real(*arguments)
    streamer._command[1:] = ["stand_in_streamer.py"]
    engine._command[1:] = ["stand_in_engine.py", *sys.argv[1:]]
    web._command[-1] = "stand_in_app:create_app()"
    worker._command[1:] = ["stand_in_worker.py"]
    return [streamer, engine, worker, web]

real, run.parts = run.parts, parts
prepare = types.ModuleType("supervisor.prepare")
def prepare_it(settings):
    if "unprepared" in sys.argv:
        raise StorageUnavailable("The database did not answer.")
    return "random-password"
prepare.prepare = prepare_it
sys.modules["supervisor.prepare"] = prepare
run.main()
"""

ENGINE = """
import os, signal, sys, threading
from pathlib import Path
from utils import lifeline

if "broken" in sys.argv:
    sys.exit("engine: no luck")
stop = threading.Event()
if lifeline.watch(stop.set):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
Path("engine.pid").write_text(str(os.getpid()))
Path(os.environ["DATA_DIR"], "engine.sock").touch()
stop.wait()
if "stubborn" in sys.argv:
    threading.Event().wait()
with open("order.txt", "a") as order:
    order.write("engine\\n")
"""

STREAMER = """
import signal, threading
from utils import lifeline

stop = threading.Event()
if lifeline.watch(stop.set):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
stop.wait()
with open("order.txt", "a") as order:
    order.write("streamer\\n")
"""

WORKER = STREAMER.replace("streamer", "worker")

APP = """
import atexit, json, os, time
from pathlib import Path

def create_app():
    def goodbye():
        with open("order.txt", "a") as order:
            order.write("web\\n")
    atexit.register(goodbye)
    return app

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/slow":
        Path("slow.started").touch()
        time.sleep(float(environ["QUERY_STRING"] or 1.5))
    ready = Path("engine.pid").exists()
    start_response("200 OK" if ready else "503 Not ready", [("Content-Type", "application/json")])
    return [json.dumps({"worker": os.getpid(), "master": os.getppid()}).encode()]
"""

Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    servers = []

    def _start(*arguments: str, name: str = "one", ready: bool = True, **settings: str) -> Server:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        files = {"driver": DRIVER, "stand_in_streamer": STREAMER, "stand_in_engine": ENGINE, "stand_in_app": APP}
        files["stand_in_worker"] = WORKER
        for file, text in files.items():
            (directory / f"{file}.py").write_text(text)
        servers.append(Server(directory, command=[sys.executable, "driver.py", *arguments], **settings))
        return servers[-1].wait_ready() if ready else servers[-1]

    yield _start
    for server in servers:
        server.end()


def who(server: Server) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(server.get("/"))
    return answer


def engine_pid(server: Server) -> int:
    return int((server.directory / "engine.pid").read_text())


def test_ready_line_admin_and_private_files(start: Start) -> None:
    server = start()
    assert "docs at /docs" in server.output
    assert "random-password" in server.output
    assert (server.directory / "var").stat().st_mode & 0o777 == 0o700
    # nor would they be anybody else's in a folder that was there before
    made = [path for path in (server.directory / "var").rglob("*") if path.stat().st_mode & 0o077]
    assert not made
    server.process.terminate()
    assert server.wait(60) == 0
    assert not (server.directory / ".gunicorn").exists()  # its control socket would have been there


def test_killed_engine_comes_back_at_once(start: Start) -> None:
    server = start()
    before = engine_pid(server)
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: engine_pid(server) != before, 60, server)
    assert "The engine ended (killed by SIGKILL); starting it again" in server.output


def test_killed_web_server_comes_back_and_no_connection_is_refused(start: Start) -> None:
    server = start()
    before = who(server)["master"]
    os.kill(before, signal.SIGKILL)
    refused = []

    def ask() -> bool:
        try:
            return bool(who(server)["master"] not in {before, 1})
        except urllib.error.URLError as error:
            refused.append(error.reason)
        except OSError:  # an answer cut off with its worker
            pass
        return False

    wait_for(ask, 30, server)
    assert [reason for reason in refused if isinstance(reason, ConnectionRefusedError)] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_drains_in_order_without_dropping_a_request(start: Start, number: signal.Signals) -> None:
    server = start()
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(server.get("/slow")))
    asking.start()
    wait_for((server.directory / "slow.started").exists, 30, server)
    os.kill(server.process.pid, number)
    assert server.wait(60) == 0
    asking.join(30)
    assert len(answers) == 1
    assert (server.directory / "order.txt").read_text().split() == ["web", "web", "worker", "engine", "streamer"]
    assert f"Stopping ({number.name})" in server.output
    assert server.pids() == set()


def test_whoever_comes_during_the_drain_is_refused_at_once(start: Start) -> None:
    server = start()
    address, refused = server.address, []

    def ask() -> None:
        while True:
            try:
                with urllib.request.urlopen(f"{address}/who", timeout=30):
                    pass
            except OSError as error:
                # one that nobody had accepted at that moment may be reset, and asks again
                if isinstance(getattr(error, "reason", error), ConnectionRefusedError):
                    refused.append(slow.is_alive())
                    return

    slow = threading.Thread(target=server.get, args=("/slow?5",))
    asking = [threading.Thread(target=ask) for _ in range(8)]
    for thread in (slow, *asking):
        thread.start()
    wait_for((server.directory / "slow.started").exists, 30, server)
    server.process.terminate()
    for thread in (*asking, slow):
        thread.join(60)
    assert server.wait(60) == 0
    # during the drain: without the refusal all of them queue up until it is over
    assert refused == [True] * len(asking)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_to_every_process_at_once_still_drains_in_order(start: Start, number: signal.Signals) -> None:
    server = start()
    for pid in server.pids():  # what a service manager does to a control group
        os.kill(pid, number)
    assert server.wait(60) == 0
    assert (server.directory / "order.txt").read_text().split() == ["web", "web", "worker", "engine", "streamer"]
    assert "starting it again" not in server.output
    assert server.pids() == set()


def test_a_signal_that_make_hands_on_counts_once(start: Start) -> None:
    server = start()
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(server.get("/slow?4")))
    asking.start()
    wait_for((server.directory / "slow.started").exists, 30, server)
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):  # both come at the same moment
        server.process.send_signal(number)
    assert server.wait(60) == 0
    asking.join(30)
    assert len(answers) == 1


def test_a_second_signal_hurries_and_a_laggard_is_killed(start: Start) -> None:
    server = start("stubborn")
    began = time.monotonic()
    server.process.terminate()
    wait_for(lambda: "Stopping (SIGTERM)" in server.output, 30, server)  # the first one was noticed
    time.sleep(1.2)
    server.process.terminate()
    assert server.wait(60) == 0
    assert time.monotonic() - began < 6
    assert "The engine did not stop in time; killing it" in server.output
    assert server.pids() == set()


def test_no_part_outlives_a_killed_supervisor_and_the_next_start_waits_for_them(start: Start) -> None:
    server = start()
    with socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2]))) as busy:
        busy.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for((server.directory / "slow.started").exists, 30, server)
        server.process.kill()
        server.process.wait()
        (server.directory / "engine.pid").unlink()
        following = start(PORT=server.address.rpartition(":")[2])
        assert server.pids() == set()
    assert who(following)
    assert following.address == server.address


def test_orphans_end_by_themselves(start: Start) -> None:
    server = start()
    server.process.kill()
    server.process.wait()
    wait_for(lambda: not server.pids(), 30, server)


def test_second_start_in_the_same_directory_is_refused_in_one_line(start: Start) -> None:
    server = start()
    began = time.monotonic()
    second = start(ready=False)
    assert second.wait(60) == 1
    assert time.monotonic() - began < 15
    assert second.output.splitlines() == [
        f"Trading Backend cannot start: Another Trading Backend (process {server.process.pid}) runs in "
        f"{server.directory / 'var'}; stop it or choose another DATA_DIR"
    ]
    assert who(server)


def test_taken_port_is_refused_in_one_line(start: Start) -> None:
    port = start().address.rpartition(":")[2]
    second = start(name="two", ready=False, PORT=port)
    assert second.wait(60) == 1
    assert second.output.splitlines() == [
        f"Trading Backend cannot start: Port {port} on 127.0.0.1 cannot be used (Address already in use); "
        "stop what uses it or choose another: PORT="
    ]


@pytest.mark.parametrize(
    ("setting", "code", "words"),
    [
        ({"SECRET_KEY": "changeme"}, 2, "SECRET_KEY"),
        ({"WEB_WORKERS": "many"}, 2, "WEB_WORKERS"),
        ({"HOST": "203.0.113.7"}, 1, "203.0.113.7"),
        ({"DATA_DIR": "/proc/nowhere"}, 1, "DATA_DIR"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(start: Start, setting: dict[str, str], code: int, words: str) -> None:
    server = start(ready=False, **setting)
    assert server.wait(60) == code
    assert len(server.output.splitlines()) == 1
    assert words in server.output


def test_a_part_that_never_gets_up_is_given_up_with_its_reason(start: Start) -> None:
    server = start("broken", ready=False)
    assert server.wait(60) == 1
    assert "The engine ended 3 times before it was ready (exit code 1); giving up" in server.output
    assert "engine: no luck" in server.output
    assert server.pids() == set()


def test_what_cannot_be_prepared_stops_the_start(start: Start) -> None:
    server = start("unprepared", ready=False)
    assert server.wait(60) == 1
    assert server.output.splitlines() == ["Trading Backend cannot start: The database did not answer."]
    assert server.pids() == set()
