"""Orders over HTTP from 16 clients at once, each answered after its commit, on SQLite and on PostgreSQL.

PostgreSQL takes part when `BENCH_POSTGRESQL_URL` names a server (`postgresql://user@host/postgres`) on which a database
may be made and dropped.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from benchmarks.load import Client, Load, client_name, orders
from benchmarks.report import Report
from benchmarks.servers import Running, bare, product

USERS = 16
CONNECTIONS = 16
GOAL = 1000
ORDERS = "/api/trading/orders"
OURS = {"RATE_LIMIT_ENABLED": "false", "MAX_OPEN_ORDERS": "100000"}
PASSWORD = "a-long-lovely-day"


def main() -> Report:
    """Measure and return the figures."""
    report = Report(f"Orders at {CONNECTIONS} clients, the real product (paper, {USERS} users)")
    report.notes.append(f"Load client: {client_name()}, on the same {os.cpu_count()} cores as the product.")
    report.notes.append("The ratio is to bare Flask POSTs of the same body, on the same gunicorn, right before.")
    report.notes.append("Processor time tells more than the rate where other programs want the same cores.")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        _measure(report, Path(name) / "sqlite", "SQLite", {})
        server = os.environ.get("BENCH_POSTGRESQL_URL")
        if server:
            with _postgresql(server) as url:
                _measure(report, Path(name) / "postgresql", "PostgreSQL", {"DATABASE_URL": url})
        else:
            report.notes.append("Not on PostgreSQL: BENCH_POSTGRESQL_URL is not set.")
    return report


def _measure(report: Report, folder: Path, database: str, settings: dict[str, str]) -> None:
    tokens = folder / "tokens"
    for part in ("bare", "product"):
        (folder / part).mkdir(parents=True)
    with bare(folder / "bare") as baseline, product(folder / "product", **OURS, **settings) as ours:
        ticker = Client(ours.port, _sign_up(ours, 0)).ask("GET", "/api/market/ticker/BTC-USDT")["data"]
        buy = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "amount": "0.0002"}
        far = str(int(float(ticker["last"])) // 8)
        limit = {"symbol": "BTC/USDT", "side": "buy", "amount": "0.0008", "price": far}
        signed_in = [_sign_up(ours, number) for number in range(1, USERS + 1)]
        tokens.write_text("\n".join(signed_in), encoding="ascii")
        for token in signed_in:  # so that fees taken in bitcoin do not leave a sell uncovered
            Client(ours.port, token).ask("POST", ORDERS, {**buy, "amount": "0.01"})
        for what, bodies in (("limit, resting", [limit]), ("market, filled", [buy, {**buy, "side": "sell"}])):
            base = _load(baseline, "/bare", tokens, bodies)
            _add(report, f"{what}, {database}", _load(ours, ORDERS, tokens, bodies), base)


def _load(server: Running, path: str, tokens: Path, bodies: list[dict[str, str]]) -> tuple[Load, float]:
    """Return what the clients got, and the server's processor time for each answer in microseconds."""
    before = server.processor_seconds()
    load = orders(server.port, path, tokens, bodies, CONNECTIONS)
    return load, (server.processor_seconds() - before) * 1e6 / load.count


def _add(report: Report, what: str, ours: tuple[Load, float], bare: tuple[Load, float]) -> None:
    (load, cost), (base, base_cost) = ours, bare
    met = load.rate >= GOAL
    report.add(what, load.rate, "orders/s", ratio=load.rate / base.rate, goal=f"≥ {GOAL:,} orders/s", met=met)
    report.add("  p50", load.p50, "ms")
    report.add("  p99", load.p99, "ms")
    report.add("  processor time of all processes, each", cost, "µs", ratio=cost / base_cost)
    report.add("  bare Flask POST beside it", base.rate, "req/s")


def _sign_up(server: Running, number: int) -> str:
    client = Client(server.port)
    name = f"bench{number}"
    client.ask("POST", "/api/auth/signup", {"username": name, "email": f"{name}@example.com", "password": PASSWORD})
    token: str = client.ask("POST", "/api/auth/login", {"username": name, "password": PASSWORD})["data"]["access_token"]
    return token


@contextmanager
def _postgresql(server: str) -> Iterator[str]:
    """Make a database on `server`, give its URL and drop it."""
    url = make_url(server).set(drivername="postgresql+psycopg")
    name = f"bench_{os.getpid()}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()
