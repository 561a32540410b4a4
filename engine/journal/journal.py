"""The journal: the one writer of orders, trades, ledger, events and keys, and the reader that starts from them.

A thread of its own commits whatever is waiting in one transaction (group commit). Memory may run ahead of the
database; answers wait for the commit. When a unit of work cannot be committed, every later unit of the same account
fails too, since it was computed on top of it, and the account must be read anew.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy.exc import IntegrityError

from engine.journal.account_events import AccountEvents
from engine.journal.statements import Statements
from engine.journal.unit import Line, Unit
from engine.metrics import Metrics
from models import Database
from models.database import Transaction
from utils.errors import (
    Conflict,
    EngineFault,
    EngineTimeout,
    FieldError,
    StorageUnavailable,
    TradingError,
    idempotency_key_reused,
)
from utils.wire import Order

_log = logging.getLogger(__name__)
Follower = Callable[[list[Order]], None]
Rows = list[dict[str, Any]]
MAX_BATCH = 500
RETRY_AFTER = 1
OUTCOME_SECONDS = 2.0
"""How long those who wait for a commit also wait for a server that went away during it to tell what became of it."""
OUTCOME_PAUSE = 0.05
LOG_LIMIT = 64 * 2**20
LOG_PATIENCE = 0.2
LOG_PAUSE = 5.0
"""SQLite's write-ahead log is cut above the limit; a cut may hold commits up for the patience, once in a pause."""


class Journal:
    """Commit units of work in the order in which they are given, and publish their events."""

    def __init__(
        self, database: Database, account_events: AccountEvents | None = None, metrics: Metrics | None = None
    ) -> None:
        self._database = database
        self._metrics = metrics or Metrics()
        self._write = Statements(database).write
        self._waiting: queue.SimpleQueue[tuple[Unit, asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._account_events = account_events or AccountEvents()
        self._last: asyncio.Future[None] | None = None
        self._unresolved: tuple[Transaction, Rows] | None = None
        self._tidy_again = 0.0
        self.followers: dict[str, Follower] = {}
        """By account: who wants to know which of its orders were stored, and how."""

    def start(self) -> None:
        """Start the writer thread; to be called on the event loop that will wait for it."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Commit what is waiting and end the thread."""
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    @property
    def waiting(self) -> int:
        """Return how many units wait to be committed."""
        return self._waiting.qsize()

    def submit(self, unit: Unit) -> asyncio.Future[None]:
        """Queue `unit`; the future is done when it is committed.

        The future raises `StorageUnavailable` when it was not, `Conflict` when a client order id is taken.
        """
        if self._loop is None:
            raise RuntimeError("the journal is not started")
        future: asyncio.Future[None] = self._loop.create_future()
        follower = self.followers.get(unit.line.account_id)
        if follower is not None and unit.orders:
            future.add_done_callback(partial(_pass_on, follower, list(unit.orders.values())))
        self._waiting.put((unit, future))
        self._last = future
        return future

    async def flush(self) -> None:
        """Wait until everything submitted so far is committed or refused."""
        if self._last is not None and not self._last.done():
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
        live = {unit: None for unit in units if not unit.is_broken}
        failure = self._try(list(live)) if live else None
        together = failure is None or isinstance(failure, StorageUnavailable | EngineTimeout) or len(live) == 1
        outcomes = []
        for unit in units:
            if unit not in live or (not together and unit.is_broken):
                outcome: TradingError | None = _refused()
            else:
                outcome = failure if together else self._try([unit])
            if outcome is not None:
                for part in unit.parts:
                    part.line.broken = True
            outcomes.append(outcome)
        return outcomes

    def _try(self, units: list[Unit]) -> TradingError | None:
        """Commit `units` in one transaction; return what went wrong."""
        began = time.monotonic()
        failure = self._write_all(units)
        if failure is None:
            self._metrics.committed(units, time.monotonic() - began)
        else:
            self._metrics.failed()
        return failure

    def _write_all(self, units: list[Unit]) -> TradingError | None:
        transaction, committing = None, False
        events: Rows = []
        try:
            if self._unresolved is not None and self._outcome(*self._unresolved) is None:
                return _unknown_before()
            with self._database.writing() as connection:
                transaction = self._database.transaction(connection)
                events = self._write(connection, units)
                committing = transaction is not None
        except StorageUnavailable as error:
            _log.error("the database did not take %d changes: %s", len(units), error.__cause__)
            # a server that goes away between COMMIT and its answer may have stored everything
            return self._resolve(transaction, events) if transaction is not None and committing else error
        except IntegrityError as error:
            return _broken_constraint(error)
        except Exception:
            # whatever it is, the thread must outlive it: nothing is stored or answered without it
            _log.exception("a change could not be stored")
            return EngineFault("The change could not be stored.")
        self._account_events.publish(events)
        return None

    def _resolve(self, transaction: Transaction, events: Rows) -> TradingError | None:
        """Find out what became of a transaction whose COMMIT was not answered.

        Until that is known nothing else is committed, and so no account is read anew: what it read could be the state
        from before a transaction that is still on its way.
        """
        self._unresolved = transaction, events
        deadline = time.monotonic() + OUTCOME_SECONDS
        while (committed := self._outcome(transaction, events)) is None and time.monotonic() < deadline:
            time.sleep(OUTCOME_PAUSE)
        if committed is None:
            return EngineTimeout("The database went away while it stored the change; the outcome is unknown.")
        _log.warning("the database had %s the changes", "stored" if committed else "dropped")
        return None if committed else StorageUnavailable("The database did not answer.", retry_after=RETRY_AFTER)

    def _outcome(self, transaction: Transaction, events: Rows) -> bool | None:
        """Tell whether the unresolved transaction was committed, whose events are published then; None: not known."""
        committed = self._database.outcome(transaction)
        if committed is not None:
            self._unresolved = None
        if committed:
            self._account_events.publish(events)
        return committed


def client_order_id_taken() -> Conflict:
    """Return the error for a client order id that the account has used before."""
    detail, code = "The client_order_id is already in use.", "duplicate_client_order_id"
    return Conflict(detail, code=code, errors=(FieldError(field="client_order_id", code=code, message=detail),))


def _pass_on(follower: Follower, orders: list[Order], stored: asyncio.Future[None]) -> None:
    if not stored.cancelled() and stored.exception() is None:
        follower(orders)


def _unknown_before() -> StorageUnavailable:
    return StorageUnavailable("The outcome of an earlier change is not known yet.", retry_after=RETRY_AFTER)


def _broken_constraint(error: IntegrityError) -> TradingError:
    if "client_order_id" in str(error.orig):
        return client_order_id_taken()
    if "idempotency_keys" in str(error.orig):  # a web worker took the key meanwhile
        return idempotency_key_reused()
    _log.error("a change breaks a constraint of the database", exc_info=error)
    return EngineFault("The change could not be stored.")


def _refused() -> StorageUnavailable:
    return StorageUnavailable("An earlier change of the account was not stored.", retry_after=RETRY_AFTER)
