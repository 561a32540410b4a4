"""The journal: the one writer of orders, trades, ledger, events and keys, and the reader that starts from them.

A thread of its own commits whatever is waiting in one transaction (group commit). Memory may run ahead of the
database; answers wait for the commit. When a unit of work cannot be committed, every later unit of the same account
fails too, since it was reckoned on top of it, and the account must be read anew.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError

from engine.orders import client_order_id_taken
from engine.unit import Line, Unit
from models import (
    Account,
    AuditEntry,
    Balance,
    Database,
    EquitySample,
    Event,
    EventCounter,
    IdempotencyKey,
    KillSwitch,
    LedgerEntry,
    Order,
    Position,
    RiskLimits,
    Trade,
)
from models.database import Transaction
from utils import clock
from utils.errors import EngineFault, EngineTimeout, Refused, StorageUnavailable, TradingError

_log = logging.getLogger(__name__)
MAX_BATCH = 500
RETRY_AFTER = 1
OUTCOME_SECONDS = 2.0
"""How long those who wait for a commit also wait for a server that went away during it to tell what became of it."""
OUTCOME_PAUSE = 0.05
LOG_LIMIT = 64 * 2**20
LOG_PATIENCE = 0.2
LOG_PAUSE = 5.0
"""SQLite's write-ahead log is cut above the limit; a cut may hold commits up for the patience, once in a pause."""

_TRADES, _LEDGER, _EVENTS, _AUDIT, _KEYS = map(insert, (Trade, LedgerEntry, Event, AuditEntry, IdempotencyKey))


class Journal:
    """Commit units of work in the order in which they are given."""

    def __init__(self, database: Database) -> None:
        self._database = database
        upsert = sqlite_insert if database.is_sqlite else postgresql_insert
        order_insert = upsert(Order)
        self._orders = order_insert.on_conflict_do_update(
            index_elements=["id"],
            set_={
                column.name: order_insert.excluded[column.name]
                for column in Order.__table__.columns
                if column.name not in {"id", "account_id", "user_id", "client_order_id", "created_at"}
            },
        )
        balance_insert = upsert(Balance)
        self._balances = balance_insert.on_conflict_do_update(
            index_elements=["account_id", "currency"],
            set_={"total": balance_insert.excluded.total, "entry_price": balance_insert.excluded.entry_price},
        )
        self._positions = _replacing(upsert(Position), Position)
        self._limits = _replacing(upsert(RiskLimits), RiskLimits)
        self._switches = _replacing(upsert(KillSwitch), KillSwitch)
        self._samples = upsert(EquitySample).on_conflict_do_nothing()
        counter_insert = upsert(EventCounter)
        self._counters = counter_insert.on_conflict_do_update(
            index_elements=["user_id"],
            set_={"last_id": EventCounter.last_id + counter_insert.excluded.last_id},
        ).returning(EventCounter.user_id, EventCounter.last_id)
        self._waiting: queue.SimpleQueue[tuple[Unit, asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unresolved: Transaction | None = None
        self._tidy_again = 0.0

    def start(self) -> None:
        """Start the writer thread; to be called on the event loop that will wait for it."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Commit what is waiting and end the thread."""
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def submit(self, unit: Unit) -> asyncio.Future[None]:
        """Queue `unit`; the future is done when it is committed.

        The future raises `StorageUnavailable` when it was not, `Conflict` when a client order id is taken.
        """
        if self._loop is None:
            raise RuntimeError("the journal is not started")
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.put((unit, future))
        return future

    async def flush(self) -> None:
        """Wait until everything submitted so far is committed or refused."""
        await self.submit(Unit(Line("", "")))

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            ended = False
            while len(batch) < MAX_BATCH and not self._waiting.empty():
                entry = self._waiting.get()
                if entry is None:
                    ended = True
                    break
                batch.append(entry)
            outcomes = self._commit([unit for unit, _ in batch])
            self._tell([future for _, future in batch], outcomes)
            self._tidy()
            if ended:
                return

    def _tidy(self) -> None:
        if time.monotonic() > self._tidy_again:
            self._database.bound_log(LOG_LIMIT, LOG_PATIENCE)
            self._tidy_again = time.monotonic() + LOG_PAUSE

    def _tell(self, futures: list[asyncio.Future[None]], outcomes: Sequence[TradingError | None]) -> None:
        def resolve() -> None:
            for future, outcome in zip(futures, outcomes, strict=True):
                if future.cancelled():
                    continue
                if outcome is None:
                    future.set_result(None)
                else:
                    future.set_exception(outcome)

        if self._loop is None or self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(resolve)

    def _commit(self, units: list[Unit]) -> list[TradingError | None]:
        """Commit all units in one transaction or, when that fails, each in its own; return what went wrong."""
        # Looked at once: the loop may break a line while its unit is being committed, which is committed all the same.
        live = {unit: None for unit in units if not unit.line.broken}
        failure = self._try(list(live)) if live else None
        together = failure is None or isinstance(failure, StorageUnavailable | EngineTimeout) or len(live) == 1
        outcomes = []
        for unit in units:
            if unit not in live or (not together and unit.line.broken):
                outcome: TradingError | None = _refused()
            else:
                outcome = failure if together else self._try([unit])
            if outcome is not None:
                unit.line.broken = True
            outcomes.append(outcome)
        return outcomes

    def _try(self, units: list[Unit]) -> TradingError | None:
        transaction, committing = None, False
        try:
            if self._unresolved is not None and self._database.outcome(self._unresolved) is None:
                return _unknown_before()
            self._unresolved = None
            with self._database.writing() as connection:
                transaction = self._database.transaction(connection)
                self._write(connection, units)
                committing = transaction is not None
        except StorageUnavailable as error:
            _log.error("the database did not take %d changes: %s", len(units), error.__cause__)
            # a server that goes away between COMMIT and its answer may have stored everything
            return self._resolve(transaction) if transaction is not None and committing else error
        except IntegrityError as error:
            return _broken_constraint(error)
        except Exception:
            # whatever it is, the thread must outlive it: nothing is stored or answered without it
            _log.exception("a change could not be stored")
            return EngineFault("The change could not be stored.")
        return None

    def _resolve(self, transaction: Transaction) -> TradingError | None:
        """Find out what became of a transaction whose COMMIT was not answered.

        Until that is known nothing else is committed, and so no account is read anew: what it read could be the state
        from before a transaction that is still on its way.
        """
        self._unresolved = transaction
        deadline = time.monotonic() + OUTCOME_SECONDS
        while (committed := self._database.outcome(transaction)) is None and time.monotonic() < deadline:
            time.sleep(OUTCOME_PAUSE)
        if committed is None:
            return EngineTimeout("The database went away while it stored the change; the outcome is unknown.")
        self._unresolved = None
        _log.warning("the database had %s the changes", "stored" if committed else "dropped")
        return None if committed else StorageUnavailable("The database did not answer.", retry_after=RETRY_AFTER)

    def _write(self, connection: Connection, units: list[Unit]) -> None:
        orders: dict[str, dict[str, Any]] = {}
        balances: dict[tuple[str, str], dict[str, Any]] = {}
        positions: dict[tuple[str, str], dict[str, Any]] = {}
        trades: list[dict[str, Any]] = []
        ledger: list[dict[str, Any]] = []
        audit: list[dict[str, Any]] = []
        keys: list[dict[str, Any]] = []
        samples: list[dict[str, Any]] = []
        for unit in units:
            orders.update({row["id"]: row for row in unit.order_rows()})
            balances.update({(row["account_id"], row["currency"]): row for row in unit.balances})
            positions.update({(row["account_id"], row["symbol"]): row for row in unit.positions.values()})
            trades += unit.trade_rows()
            ledger += unit.ledger
            audit += unit.audit
            keys += unit.keys
            samples += unit.samples
            if unit.account:
                _settle(connection, unit.account)
        for statement, rows in (
            (self._orders, list(orders.values())),
            (_TRADES, trades),
            (_LEDGER, ledger),
            (self._balances, list(balances.values())),
            (self._positions, list(positions.values())),
            (_EVENTS, self._number(connection, units)),
            (_AUDIT, audit),
            (_KEYS, keys),
            (self._limits, [row for unit in units for row in unit.limits]),
            (self._samples, samples),
        ):
            if rows:
                connection.execute(statement, rows)
        for order_id in (order_id for unit in units for order_id in unit.released):
            connection.execute(delete(IdempotencyKey).where(IdempotencyKey.order_id == order_id))
            connection.execute(update(Order).where(Order.id == order_id).values(client_order_id=order_id))
        for row in (row for unit in units for row in unit.switches):  # in order: one may be engaged and released
            connection.execute(self._switches if row["engaged_at"] is not None else _RELEASE, row)

    def _number(self, connection: Connection, units: list[Unit]) -> list[dict[str, Any]]:
        """Give every event the next id of its user, inside the transaction: no gap, no event out of order."""
        by_user: dict[str, list[dict[str, Any]]] = {}
        for unit in units:
            by_user.setdefault(unit.line.user_id, []).extend(unit.events)
        counts = [{"user_id": user_id, "last_id": len(events)} for user_id, events in by_user.items() if events]
        rows: list[dict[str, Any]] = []
        if not counts:
            return rows
        moment = clock.now()
        for user_id, last in connection.execute(self._counters, counts):
            events = by_user[user_id]
            for number, event in enumerate(events, start=last - len(events) + 1):
                rows.append({**event, "user_id": user_id, "id": number, "created_at": moment})
        return rows


def _unknown_before() -> StorageUnavailable:
    return StorageUnavailable("The outcome of an earlier change is not known yet.", retry_after=RETRY_AFTER)


_RELEASE = delete(KillSwitch).where(KillSwitch.scope == bindparam("scope"), KillSwitch.target == bindparam("target"))


def _replacing(statement: Any, table: Any) -> Any:
    """Let an insert replace the row with the same key."""
    columns = table.__table__.columns
    return statement.on_conflict_do_update(
        index_elements=[column.name for column in columns if column.primary_key],
        set_={column.name: statement.excluded[column.name] for column in columns if not column.primary_key},
    )


def _broken_constraint(error: IntegrityError) -> TradingError:
    if "client_order_id" in str(error.orig):
        return client_order_id_taken()
    if "idempotency_keys" in str(error.orig):  # a web worker took the key meanwhile
        return Refused("The idempotency key was used for another request.", code="idempotency_key_reused")
    _log.error("a change breaks a constraint of the database", exc_info=error)
    return EngineFault("The change could not be stored.")


def _settle(connection: Connection, columns: dict[str, Any]) -> None:
    changes = {name: value for name, value in columns.items() if name != "id"}
    connection.execute(update(Account).where(Account.id == columns["id"]).values(**changes))


def _refused() -> StorageUnavailable:
    return StorageUnavailable("An earlier change of the account was not stored.", retry_after=RETRY_AFTER)
