"""Play a tournament over HTTP: everybody joins, it starts and ends by the clock, and its worker is killed meanwhile."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import select

from models import Database, Job, Tournament
from tests.cup.recomputation import Played
from tests.e2e.client import PASSWORD, Client
from tests.e2e.running import Server, wait_for
from utils import clock

ADMIN = "admin"
SYMBOLS = ["BTC/USDT", "ETH/USDT"]
POOL = Decimal("1000.01")
TRADERS = 8
"""Clients that trade side by side, each for some of the participants in turn."""

START_IN = 2.0
END_IN = 1.0
"""Seconds until a tournament starts, or ends, when it is scheduled to."""

PATIENCE = 180.0
"""How long the worst part may take on a machine that is busy with other things."""

JOBS = ("tournament.close", "settle", "tournament.tell")
MIN_TRADES = 3
_SETTINGS = {
    "DEMO_TICK_SECONDS": "0.2",
    "RATE_LIMIT_ENABLED": "false",
    "ADMIN_USERNAME": ADMIN,
    "ADMIN_PASSWORD": PASSWORD,
    "MAX_ACCOUNTS": "10",
}


@dataclass(frozen=True)
class Plan:
    """How many take part, how long it runs, and how often its worker, or the engine, is killed at its jobs."""

    participants: int
    seconds: float
    kills: int
    seed: int = 1
    orders: int = 0
    """How many are placed at least."""


@dataclass
class Player:
    """A participant, with the account they play with."""

    client: Client
    account: str = ""
    orders: int = 0
    refusals: Counter[str] = field(default_factory=Counter)


def play(plan: Plan, database: Database, directory: Path) -> Played:
    """Play a tournament, and return what came of it."""
    server = Server(
        directory, command=None, DATABASE_URL=database.engine.url.render_as_string(hide_password=False), **_SETTINGS
    )
    try:
        return _Cup(plan, database, server.wait_ready(PATIENCE)).play()
    finally:
        server.end()


class _Cup:
    def __init__(self, plan: Plan, database: Database, server: Server) -> None:
        self._plan, self._database, self._server = plan, database, server
        self._chance = random.Random(plan.seed)
        self._admin = Client(server.address)
        self._admin.name = ADMIN
        self._admin.log_in()
        self._killed: list[str] = []
        self._struck: set[tuple[str, int]] = set()
        self._budget = Counter(JOBS[number % len(JOBS)] for number in range(plan.kills))
        """How many attempts of a job of each kind end with a kill; there are two that tell."""

        self._seconds: dict[str, float] = {}

    def play(self) -> Played:
        with ThreadPoolExecutor(TRADERS) as pool:
            began = time.monotonic()
            players = list(
                pool.map(lambda _: Player(Client(self._server.address).sign_up()), range(self._plan.participants))
            )
            self._lap("sign up", began)
            tournament = self._create()
            began = time.monotonic()
            list(pool.map(lambda player: self._join(player, tournament), players))
            self._lap("join", began)
            self._start(tournament)
            began = time.monotonic()
            parts = filter(None, (players[number::TRADERS] for number in range(TRADERS)))
            trading = [pool.submit(self._trade, part, tournament) for part in parts]
            self._kill_until(lambda: self._is_told("started"))
            self._end_after(self._plan.seconds, players, tournament)
            for part in trading:
                part.result()
            self._lap("trade", began)
            began = time.monotonic()
            self._kill_until(self._is_settled)
            self._kill_until(lambda: self._is_told("ended"))
            self._lap("close, settle and tell", began)
            return Played(
                tournament=self._admin.call("GET", f"/api/tournaments/{tournament}"),
                rankings=_pages(self._admin, f"/api/tournaments/{tournament}/rankings"),
                prizes=self._admin.call("GET", f"/api/tournaments/{tournament}/prizes"),
                own=dict(pool.map(lambda player: self._own(player, tournament), players)),
                trades=dict(pool.map(self._trades, players)),
                told=dict(pool.map(self._told, players)),
                orders=sum(player.orders for player in players),
                refusals=sum((player.refusals for player in players), Counter()),
                killed=self._killed,
                seconds=self._seconds,
                isolated=self._is_isolated(players),
            )

    def _create(self) -> str:
        later = clock.now() + timedelta(hours=1)
        body = {"name": "Cup", "symbols": SYMBOLS, "prize_pool": str(POOL), "max_participants": self._plan.participants}
        body["prize_rules"] = {"min_trades": MIN_TRADES}
        times = {"starts_at": later.isoformat(), "ends_at": (later + timedelta(hours=1)).isoformat()}
        made = self._admin.call("POST", "/api/tournaments/", json={**body, **times})
        return str(made["id"])

    def _join(self, player: Player, tournament: str) -> None:
        player.account = player.client.call("POST", f"/api/tournaments/{tournament}/join")["account"]
        assert self._order(player, "buy", 0) == "tournament_not_started"

    def _start(self, tournament: str) -> None:
        times = {"starts_at": (clock.now() + timedelta(seconds=START_IN)).isoformat()}
        self._admin.call("PATCH", f"/api/tournaments/{tournament}", json=times)
        wait_for(lambda: self._status(tournament) == "running", PATIENCE, self._server)

    def _end_after(self, seconds: float, players: list[Player], tournament: str) -> None:
        """Let the clock end it soon after `seconds`, or, on a slow machine, when enough was traded."""
        until = time.monotonic() + seconds
        wait_for(
            lambda: time.monotonic() >= until and sum(player.orders for player in players) >= self._plan.orders,
            seconds + PATIENCE,
            self._server,
        )
        times = {"ends_at": (clock.now() + timedelta(seconds=END_IN)).isoformat()}
        self._admin.call("PATCH", f"/api/tournaments/{tournament}", json=times)

    def _trade(self, players: list[Player], tournament: str) -> None:
        """Trade with each player in turn until the tournament is over for one of them."""
        chance = random.Random(f"{self._plan.seed} {players[0].client.name}")
        until = time.monotonic() + self._plan.seconds + 2 * PATIENCE
        while time.monotonic() < until:
            for player in players:
                side = "buy" if chance.random() < 0.65 else "sell"
                refused = self._order(player, side, chance.uniform(50, 1_500), chance)
                if refused == "tournament_over":
                    return
                player.refusals.update([refused] if refused else [])
                player.orders += not refused
        raise AssertionError(f"{tournament} did not end")

    def _order(self, player: Player, side: str, worth: float, chance: random.Random | None = None) -> str | None:
        """Place an order and return the code with which it was refused."""
        chance = chance or self._chance
        symbol = chance.choice(SYMBOLS)
        amount = round(max(worth, 20) / (60_000 if symbol == SYMBOLS[0] else 3_000), 4)
        order: dict[str, Any] = {"symbol": symbol, "side": side, "amount": str(amount), "account": player.account}
        if side == "buy" and chance.random() < 0.2:
            order["price"] = "20000" if symbol == SYMBOLS[0] else "1000"  # rests until the end
        answer = player.client.http.post("/api/trading/orders", json=order)
        return None if answer.is_success else str(answer.json()["error_code"])

    def _kill_until(self, is_done: Callable[[], bool]) -> None:
        """Kill whoever closes, settles or tells, so often as planned, in the midst of it where that can be seen."""
        end = time.monotonic() + PATIENCE
        while not is_done():
            assert time.monotonic() < end, self._server.output
            for key, kind, attempt in self._at_work():
                if (key, attempt) not in self._struck:
                    self._struck.add((key, attempt))
                    self._strike(kind, attempt)
            time.sleep(0.001)

    def _strike(self, kind: str, attempt: int) -> None:
        """Kill the worker, or the engine, while it is at a job: the kills are shared out among the jobs."""
        if attempt <= self._budget[kind]:
            time.sleep(self._chance.uniform(0, 0.05) if kind == "tournament.close" else 0)
            self._kill("engine" if kind == "tournament.close" and attempt == 2 else "worker", kind)

    def _at_work(self) -> list[tuple[str, str, int]]:
        query = select(Job.id, Job.kind, Job.attempts).where(Job.kind.in_(JOBS), Job.state == "running")
        with self._database.read() as connection:
            return [(row.id, row.kind, row.attempts) for row in connection.execute(query)]

    def _kill(self, part: str, during: str) -> None:
        for pid in self._server.pids():
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if part.encode() in words:
                    os.kill(pid, signal.SIGKILL)
                    self._killed.append(f"{part} during {during}")
                    return

    def _is_settled(self) -> bool:
        with self._database.read() as connection:
            return connection.execute(select(Tournament.settled_at)).scalar() is not None

    def _is_told(self, event: str) -> bool:
        query = select(Job.state).where(Job.key.startswith(f"tournament.tell:{event}:"))
        with self._database.read() as connection:
            return connection.execute(query).scalar() == "succeeded"

    def _status(self, tournament: str) -> str:
        return str(self._admin.call("GET", f"/api/tournaments/{tournament}")["status"])

    def _own(self, player: Player, tournament: str) -> tuple[str, Any]:
        return player.account, player.client.call("GET", f"/api/tournaments/{tournament}/me")

    def _trades(self, player: Player) -> tuple[str, list[Any]]:
        path = f"/api/trading/trades?direction=asc&account={player.account}"
        return player.account, _pages(player.client, path)

    def _told(self, player: Player) -> tuple[str, Counter[str]]:
        found = [each for each in _pages(player.client, "/api/notifications") if each["kind"] == "tournament"]
        return player.account, Counter(each["payload"]["event"] for each in found)

    def _is_isolated(self, players: list[Player]) -> bool:
        """Tell whether nobody reaches the account of the next one, or fills their own."""
        for player, other in zip(players, players[1:] + players[:1], strict=True):
            paths = (f"/api/accounts/{other.account}", f"/api/trading/trades?account={other.account}")
            statuses = [player.client.http.get(path).status_code for path in paths]
            deposit = {"currency": "USDT", "amount": "1"}
            filled = player.client.http.post(f"/api/accounts/{player.account}/deposit", json=deposit)
            if len(players) > 1 and (statuses != [404, 404] or filled.status_code != 409):
                return False
        return True

    def _lap(self, name: str, began: float) -> None:
        self._seconds[name] = round(time.monotonic() - began, 1)


def _pages(client: Client, path: str) -> list[Any]:
    """Return a whole list."""
    rows: list[Any] = []
    cursor: str | None = None
    while True:
        joint = "&" if "?" in path else "?"
        answer = client.http.get(f"{path}{joint}limit=100" + (f"&cursor={cursor}" if cursor else ""))
        assert answer.is_success, answer.text
        rows += answer.json()["data"]
        cursor = answer.json()["pagination"]["next_cursor"]
        if cursor is None:
            return rows
