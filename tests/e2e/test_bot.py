"""The operator's bot in the whole product, over HTTP: killed, and killed with everything else."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.e2e.client import PASSWORD, Client
from tests.e2e.running import Server, wait_for

PATIENCE = 90.0
NAME = "operator"


def start(directory: Path, url: str) -> Server:
    settings = {"ADMIN_USERNAME": NAME, "ADMIN_PASSWORD": PASSWORD, "RATE_LIMIT_ENABLED": "false"}
    return Server(directory, command=None, DATABASE_URL=url, DEMO_TICK_SECONDS="0.2", **settings).wait_ready()


def operator(server: Server) -> Client:
    client = Client(server.address)
    client.name = NAME
    return client.log_in()


def until(client: Client, server: Server, state: str, *, other_than: int = 0) -> Any:
    """Return the status of a bot in `state`."""

    def look() -> Any:
        status = client.call("GET", "/api/bot/status")
        return status if status["state"] == state and status["pid"] != other_than else None

    return wait_for(look, PATIENCE, server)


def accounts_of_bot(client: Client) -> list[dict[str, Any]]:
    return [each for each in client.call("GET", "/api/accounts") if each["kind"] == "bot"]


def is_anew(client: Client, pid: int) -> Any:
    """Return the status of a bot that is about to take the place of `pid`, or has taken it already."""
    status = client.call("GET", "/api/bot/status")
    is_another = status["state"] == "running" and status["pid"] not in {pid, None}
    return status if status["state"] == "starting" or is_another else None


def engine(server: Server) -> str:
    return (server.directory / "var" / "engine.lock").read_text(encoding="ascii")


def test_a_bot_is_killed_and_runs_again_and_so_it_does_after_everything_was(
    product_directory: Path, product_url: str
) -> None:
    server = start(product_directory, product_url)
    try:
        client = operator(server)
        assert client.call("GET", "/api/bot/status")["state"] == "stopped"
        refused = client.http.post("/api/bot/pause")
        assert (refused.status_code, refused.json()["error_code"]) == (409, "bot_stopped")
        assert client.http.get("/api/bot/status", headers={"Authorization": ""}).status_code == 401
        stranger = Client(server.address).sign_up()
        assert stranger.http.post("/api/bot/start").status_code == 403

        client.call("POST", "/api/bot/start")
        first = until(client, server, "running")
        accounts = wait_for(lambda: accounts_of_bot(client), PATIENCE, server)  # its keeper may not have looked yet
        assert [(each["id"], each["mode"], each["status"]) for each in accounts] == [("bot-demo", "paper", "active")]
        assert client.call("GET", "/api/portfolio", params={"account": "bot-demo"})["mode"] == "paper"
        assert "bot-demo" not in {each["id"] for each in stranger.call("GET", "/api/accounts")}

        before = engine(server)
        os.kill(first["pid"], signal.SIGKILL)
        again = wait_for(lambda: is_anew(client, first["pid"]), PATIENCE, server)
        assert "SIGKILL" in (again["error"] or "SIGKILL")  # its keeper may not have looked yet
        assert engine(server) == before
        assert stranger.order(side="buy", type="market", amount="0.001")["status"] == "filled"
    finally:
        server.end()

    server = start(product_directory, product_url)
    try:
        client = operator(server)
        status = until(client, server, "running", other_than=first["pid"])
        assert status["exchanges"][0]["exchange"] == "demo"
        log = client.call("GET", "/api/logs/", params={"search": "bot ready", "limit": 10})
        assert {record["process"] for record in log} == {"bot"}

        client.call("POST", "/api/bot/stop")
        until(client, server, "stopped")
        wait_for(lambda: status["pid"] not in server.pids(), PATIENCE, server)
        assert accounts_of_bot(client) == accounts
        refused = client.http.get("/api/portfolio", params={"account": "bot-demo"})
        assert (refused.status_code, refused.json()["error_code"]) == (409, "bot_stopped")
    finally:
        server.end()
