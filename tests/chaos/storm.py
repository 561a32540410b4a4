"""One storm: traders trade while parts of the product are killed; then everything comes to rest and is counted."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Any

import models
from models import Database
from models.records import order_of
from tests.books import differences, rows
from tests.chaos import findings
from tests.chaos.exchange import NAMES, Exchange, compare, futures_ticket, live_ticket
from tests.chaos.findings import Findings
from tests.chaos.killer import Killer, is_ready
from tests.chaos.mutants import PLANTED
from tests.chaos.traders import Trader, paper_ticket
from tests.e2e.running import ROOT, Server, wait_for
from utils.money import plain
from utils.octobot_bridge import OctoBotBridge, UnixTransport

FINAL_WITHIN_SECONDS = 60
LATEST_ARRIVAL_SECONDS = 25
"""After that nothing that was sent can arrive any more: what a mutant did wrong stays wrong."""


@dataclass(frozen=True)
class Plan:
    """How hard it blows."""

    seed: int
    placements: int
    kills: int
    clients: int
    live: bool = True
    """Whether every second client trades live, at exchanges that fail."""
    impatient: float = 0.1
    """How many of the requests nobody waits for."""
    mutant: str = ""


@dataclass
class Result:
    """What a storm was, and what it left."""

    plan: Plan
    database: str
    seconds: float
    orders: int
    live_orders: int
    repeats: int
    killed: dict[str, int]
    findings: Findings


def blow(plan: Plan, database: Database, directory: Path) -> Result:
    """Run one storm on an empty migrated `database`, with the server's files in `directory`."""
    begun = time.monotonic()
    settings = {
        "DATABASE_URL": database.engine.url.render_as_string(hide_password=False),
        "DEMO_TICK_SECONDS": "0.2",
        "DEMO_SEED": str(plan.seed),
        "RATE_LIMIT_ENABLED": "false",
        "LOG_LEVEL": "WARNING",
    }
    if plan.mutant:
        settings |= {"CHAOS_MUTANT": plan.mutant, "PYTHONPATH": f"{PLANTED}:{ROOT}"}
    patience = FINAL_WITHIN_SECONDS
    if plan.mutant:
        patience = LATEST_ARRIVAL_SECONDS if plan.live else 0
    with ExitStack() as cleanup:
        exchanges = [cleanup.enter_context(Exchange(name, plan.seed)) for name in NAMES] if plan.live else []
        settings |= {
            "EXCHANGES": ",".join(["demo", *(exchange.name for exchange in exchanges)]),
            "EXCHANGE_URLS": ",".join(f"{exchange.name}={exchange.url}" for exchange in exchanges),
            "LIVE_TRADING_ENABLED": "true",
        }
        traders: list[Trader] = []
        killer = Killer(
            lambda: _started(directory, settings, cleanup),
            plan.seed,
            plan.kills,
            lambda: placed(traders) / plan.placements,
        )
        traders += [
            Trader(
                f"trader{number}", lambda: killer.address, paper_ticket, plan.seed, impatient=plan.impatient
            ).sign_up()
            for number in range(plan.clients)
        ]
        for trader in traders[1::4]:
            trader.open_futures_account()
        live = list(zip(traders[::2], cycle(exchanges), strict=False))
        for number, (trader, exchange) in enumerate(live):
            futures = number % 6 == 2  # of Binance, the first one also among few
            trader.tickets, trader.pause = futures_ticket if futures else live_ticket, 0
            exchange.open_account(trader, futures=futures)
        for exchange in exchanges:
            exchange.rage()
        _trade(plan, killer, traders)
        for exchange in exchanges:
            exchange.calm()
        wait_for(lambda: is_ready(killer.server), 60, killer.server)
        return Result(
            plan=plan,
            database="sqlite" if database.is_sqlite else "postgresql",
            seconds=time.monotonic() - begun,
            orders=placed(traders),
            live_orders=placed([trader for trader, _ in live]),
            repeats=sum(trader.repeats for trader in traders),
            killed=dict(killer.killed),
            findings=_found(database, directory, traders, live, patience),
        )


def _found(
    database: Database,
    directory: Path,
    traders: list[Trader],
    live: list[tuple[Trader, Exchange]],
    patience: float,
) -> Findings:
    """Count what is wrong, as soon as nothing is, or when everything has had its time to be final."""
    begun = time.monotonic()
    while True:
        found = Findings()
        findings.told(found, database, traders)
        books, positions = _books(database), _positions(database)
        for trader, exchange in live:
            compare(found, exchange, trader, *books(trader))
        for trader, exchange in live:
            if trader.tickets is futures_ticket and (held := positions.get(trader.account or "", {})) != (
                there := exchange.futures(trader.name)["positions"]
            ):
                found.add("differences", f"{trader.name} holds {held} here and {there} there")
        found.recovery = time.monotonic() - begun
        if found.is_clean or found.recovery > patience:
            break
        time.sleep(1)
    bridge = OctoBotBridge(UnixTransport(directory / "var" / "engine.sock"), timeout=30)
    for words in differences(database, bridge):
        found.add("differences", words)
    return found


def _books(database: Database) -> Callable[[Trader], tuple[dict[str, Any], dict[str, Decimal]]]:
    """Read orders and balances once, and return what gives each trader's."""
    from engine.live.trader import client_id  # takes a while: OctoBot comes with it

    orders: dict[str | None, dict[str, Any]] = defaultdict(dict)
    sums: dict[str | None, dict[str, Decimal]] = defaultdict(dict)
    for row in rows(database, models.Order):
        if row.mode == "live":
            orders[row.account_id][client_id(order_of(row))] = row
    for row in rows(database, models.Balance):
        sums[row.account_id][row.currency] = row.total
    return lambda trader: (orders[trader.account], sums[trader.account])


def _positions(database: Database) -> dict[str, dict[str, str]]:
    """Return the open positions, by account: symbol and amount."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows(database, models.Position):
        if row.amount:
            found[row.account_id][row.symbol] = plain(row.amount)
    return found


def _started(directory: Path, settings: dict[str, str], cleanup: ExitStack) -> Server:
    server = Server(directory, command=None, **settings)
    cleanup.callback(server.end)
    return server


def placed(traders: list[Trader]) -> int:
    """Return how many orders were placed so far."""
    return sum(len(trader.placements) for trader in traders)


def _trade(plan: Plan, killer: Killer, traders: list[Trader]) -> None:
    """Let the traders place what they are to together, and go on until there were enough kills."""
    rested = threading.Event()
    with ThreadPoolExecutor(len(traders) + 1) as pool:
        killing = pool.submit(killer.run, rested)
        try:
            for ended in [pool.submit(_trade_on, trader, plan, killer, traders) for trader in traders]:
                ended.result()
        finally:
            rested.set()
        killing.result()


def _trade_on(trader: Trader, plan: Plan, killer: Killer, traders: list[Trader]) -> None:
    while placed(traders) < plan.placements or not killer.enough.is_set():
        trader.trade()
