"""What the engine reads from SQL: accounts with their balances and open orders, stored keys, the trigger index."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import and_, delete, func, literal, not_, select, union, union_all

from engine.tournaments.records import Entry
from models import (
    Account,
    Balance,
    Credential,
    Database,
    IdempotencyKey,
    Installation,
    KillSwitch,
    LedgerEntry,
    Order,
    Position,
    RiskLimits,
    Trade,
    User,
)
from models.events import RECONCILE
from models.facts import fact
from models.records import limits_of, order_of, orders_of
from utils import credentials, wire
from utils.credentials import ApiKeys
from utils.errors import Fault, NotFound, NotReady
from utils.money import ZERO
from utils.ties import adopted_name
from utils.vault import Sealed, Vault
from utils.wire import CONDITIONAL, Mode

HELD = "held"
TRADING_KINDS = frozenset({"trade", "fee", "funding", "pnl", "liquidation", "insurance"})
"""Ledger entries that are gains or losses; all others bring money in or take it out."""
INCOME_OVERLAP = timedelta(hours=1)  # how late an exchange may tell of what moved a wallet
BOUND = 500
"""Ids in one query; databases bound the number of parameters."""


class AccountRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An account as SQL has it: totals and average entry prices by currency, and its open orders."""

    id: str
    user_id: str
    mode: Mode
    exchange: str
    type: wire.AccountType
    kind: str
    reference_currency: str
    starting_balance: Decimal
    status: str
    deposited: Decimal | None
    reset_at: datetime | None
    totals: dict[str, Decimal]
    entry_prices: dict[str, Decimal | None]
    orders: list[wire.Order]
    limits: wire.RiskLimits
    exchange_trades: frozenset[tuple[str, str]] = frozenset()
    """Of a live account: symbol and exchange's id of the fills of its open orders."""
    positions: list[dict[str, Any]] = []
    known_until: datetime | None = None
    """Of a live account that was restored: what is known of its exchange ends here."""
    entry: Entry | None = None


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome that belongs to an idempotency key: an order, an answer (JSON), or a fault."""

    request_hash: str
    order_id: str | None
    answer: str | None
    fault: Fault | None


class StoredKeys(NamedTuple):
    """The keys of a live account (None: those that were known), since when, and whether they are verified."""

    keys: ApiKeys | None
    version: datetime
    verified: bool


class Records:
    """Read for the engine; every method blocks and belongs on a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def account(self, account_id: str) -> AccountRecord:
        """Read an account. :raises NotFound: when there is none. :raises StorageUnavailable: no answer."""
        opened = select(Order.__table__).where(Order.account_id == account_id, Order.closed_at.is_(None))
        limited = select(RiskLimits.__table__).where(RiskLimits.account_id == account_id)
        restored = select(Installation.value).where(Installation.key == f"{RECONCILE}{account_id}")
        with self._database.read() as connection:
            row = connection.execute(select(Account.__table__).where(Account.id == account_id)).one_or_none()
            if row is None:
                raise NotFound("There is no such account.", code="account_not_found")
            balances = connection.execute(select(Balance.__table__).where(Balance.account_id == account_id)).all()
            orders = connection.execute(opened.order_by(Order.id)).all()
            fills: list[Any] = []
            if row.mode == "live" and orders:
                ids = [order.id for order in orders]
                query = select(Trade.symbol, Trade.exchange_trade_id).where(Trade.order_id.in_(ids))
                fills = list(connection.execute(query))
            known_until = connection.execute(restored).scalar()
            positions = connection.execute(select(Position.__table__).where(Position.account_id == account_id)).all()
            limits = connection.execute(limited).one_or_none()
        return AccountRecord(
            id=row.id,
            user_id=row.user_id,
            mode=row.mode,
            exchange=row.exchange,
            type=row.type,
            kind=row.kind,
            reference_currency=row.reference_currency,
            starting_balance=row.starting_balance,
            status=row.status,
            deposited=row.deposited,
            reset_at=row.reset_at,
            totals={balance.currency: balance.total for balance in balances},
            entry_prices={balance.currency: balance.entry_price for balance in balances},
            orders=orders_of(orders),
            exchange_trades=frozenset((fill.symbol, fill.exchange_trade_id) for fill in fills),
            known_until=None if known_until is None or row.mode != "live" else datetime.fromisoformat(known_until),
            positions=[dict(position._mapping) for position in positions],
            limits=wire.RiskLimits() if limits is None else limits_of(limits),
        )

    def keys_of(self, account_id: str, vault: Vault, version: datetime | None = None) -> StoredKeys:
        """Return the keys that a live account trades with, unless they are still those of `version`.

        :raises NotReady: `credential_unreadable` when it has none, or the key ring does not open them.
        """
        joined = Account.__table__.join(Credential.__table__, Account.credential_id == Credential.id)
        with self._database.read() as connection:
            query = select(Credential.__table__).select_from(joined).where(Account.id == account_id)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotReady("The account has no exchange keys.", code="credential_unreadable")
        keys = None
        if row.updated_at != version:
            keys = credentials.open(vault, Sealed(row.key_id, row.sealed), row.user_id, row.exchange, row.id)
        return StoredKeys(keys=keys, version=row.updated_at, verified=row.status == "verified")

    def accounts_with_live_orders(self) -> list[str]:
        """Return the live accounts that have positions, or open orders but those that wait for a price here."""
        waits = and_(Order.type.in_(CONDITIONAL), Order.sent_at.is_(None), Order.triggered_at.is_(None))
        orders = select(Order.account_id).where(Order.closed_at.is_(None), Order.mode == "live", not_(waits))
        held = (
            select(Position.account_id)
            .join(Account, Account.id == Position.account_id)
            .where(Account.mode == "live", Account.status == "active", Position.opened_at.is_not(None))
        )
        with self._database.read() as connection:
            return list(connection.execute(union(orders, held)).scalars())

    def incomes_since(self, account_id: str) -> datetime | None:
        """Return from when on the incomes of a live futures account may not be booked; None before it was opened."""
        entry, mine = LedgerEntry, LedgerEntry.account_id == account_id
        opened = select(func.min(entry.created_at)).where(mine)
        latest = select(func.max(entry.created_at)).where(mine, entry.exchange_entry_id.is_not(None))
        with self._database.read() as connection:
            first, last = connection.execute(opened).scalar(), connection.execute(latest).scalar()
        return first if last is None or first is None else max(first, last - INCOME_OVERLAP)

    def booked(self, account_id: str, entry_ids: list[str], trade_ids: list[str]) -> tuple[set[str], set[Any]]:
        """Return those ids of incomes, and (symbol, id) of those fills, that an account has booked."""
        entries: set[str] = set()
        fills: set[Any] = set()
        with self._database.read() as connection:
            for start in range(0, len(entry_ids), BOUND):
                ids = LedgerEntry.exchange_entry_id.in_(entry_ids[start : start + BOUND])
                query = select(LedgerEntry.exchange_entry_id).where(LedgerEntry.account_id == account_id, ids)
                entries.update(row.exchange_entry_id for row in connection.execute(query))
            for start in range(0, len(trade_ids), BOUND):
                traded = Trade.exchange_trade_id.in_(trade_ids[start : start + BOUND])
                of_fills = select(Trade.symbol, Trade.exchange_trade_id).where(Trade.account_id == account_id, traded)
                fills.update((row.symbol, row.exchange_trade_id) for row in connection.execute(of_fills))
        return entries, fills

    def statuses(self, order_ids: list[str]) -> dict[str, str]:
        """Return the status of those of `order_ids` that SQL has."""
        known: dict[str, str] = {}
        with self._database.read() as connection:
            for start in range(0, len(order_ids), BOUND):
                query = select(Order.id, Order.status).where(Order.id.in_(order_ids[start : start + BOUND]))
                known.update({row.id: row.status for row in connection.execute(query)})
        return known

    def accounts_to_reconcile(self) -> list[str]:
        """Return the live accounts that were restored and do not know their exchange yet."""
        query = select(Account.id).join(Installation, Installation.key == literal(RECONCILE) + Account.id)
        with self._database.read() as connection:
            return list(connection.execute(query.where(Account.credential_id.is_not(None))).scalars())

    def reconciled(self, account_id: str) -> None:
        """Note that an account knows its exchange again."""
        with self._database.write() as session:
            session.execute(delete(Installation).where(Installation.key == f"{RECONCILE}{account_id}"))

    def day(self, account_id: str, midnight: datetime) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        """Read what the account had of each currency at `midnight`, and what was deposited since."""
        # one statement, so that both come from one moment
        held = select(Balance.currency, Balance.total.label("amount"), literal(HELD).label("kind"))
        moved = select(LedgerEntry.currency, LedgerEntry.amount, LedgerEntry.kind)
        query = union_all(
            held.where(Balance.account_id == account_id),
            moved.where(LedgerEntry.account_id == account_id, LedgerEntry.created_at >= midnight),
        )
        opening: dict[str, Decimal] = {}
        deposited: dict[str, Decimal] = {}
        with self._database.read() as connection:
            for currency, amount, kind in connection.execute(query):
                opening[currency] = opening.get(currency, ZERO) + (amount if kind == HELD else -amount)
                if kind not in TRADING_KINDS and kind != HELD:
                    deposited[currency] = deposited.get(currency, ZERO) + amount
        return opening, deposited

    def kill_switches(self) -> list[wire.KillSwitch]:
        """Read the kill switches that are engaged."""
        with self._database.read() as connection:
            rows = connection.execute(select(KillSwitch.__table__)).all()
        return [wire.KillSwitch(**row._mapping) for row in rows]

    def is_deactivated(self, user_id: str) -> bool:
        """Tell whether a user is deactivated."""
        with self._database.read() as connection:
            return connection.execute(select(User.is_active).where(User.id == user_id)).scalar() is False

    def accounts_of(self, user_id: str) -> list[str]:
        """Read the ids of a user's accounts."""
        with self._database.read() as connection:
            return list(connection.execute(select(Account.id).where(Account.user_id == user_id)).scalars())

    def open_orders(self, account_id: str | None = None) -> list[wire.Order]:
        """Read all open orders of the installation, or of one account."""
        query = select(Order.__table__).where(Order.closed_at.is_(None)).order_by(Order.id)
        if account_id is not None:
            query = query.where(Order.account_id == account_id)
        with self._database.read() as connection:
            return orders_of(connection.execute(query))

    def open_positions(self) -> list[tuple[str, dict[str, Any]]]:
        """Read all open positions on paper, each with its exchange; the live ones are for their exchanges to watch."""
        query = (
            select(Account.exchange, *Position.__table__.columns)
            .join(Account, Account.id == Position.account_id)
            .where(Position.opened_at.is_not(None), Account.mode == "paper")
        )
        with self._database.read() as connection:
            return [(row.exchange, dict(row._mapping)) for row in connection.execute(query)]

    def ended_day_orders(self, moment: datetime) -> list[wire.Order]:
        """Read the open day orders that were placed before the UTC day of `moment`."""
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        query = select(Order.__table__).where(Order.closed_at.is_(None), Order.time_in_force == "day")
        with self._database.read() as connection:
            return orders_of(connection.execute(query.where(Order.created_at < midnight)))

    def order(self, order_id: str) -> wire.Order | None:
        """Read one order."""
        with self._database.read() as connection:
            row = connection.execute(select(Order.__table__).where(Order.id == order_id)).one_or_none()
        return order_of(row) if row is not None else None

    def key(self, user_id: str, key: str) -> StoredKey | None:
        """Read the outcome stored for an idempotency key."""
        query = select(IdempotencyKey.__table__).where(IdempotencyKey.user_id == user_id, IdempotencyKey.key == key)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        fault = msgspec.json.decode(row.fault, type=Fault) if row.fault else None
        return StoredKey(request_hash=row.request_hash, order_id=row.order_id, answer=row.answer, fault=fault)

    def has_client_order_id(self, account_id: str, client_order_id: str) -> bool:
        """Tell whether the account ever used `client_order_id`."""
        names = (client_order_id, adopted_name(account_id, client_order_id))
        query = select(Order.id).where(Order.account_id == account_id, Order.client_order_id.in_(names))
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def fact(self, key: str, default: str) -> str:
        """Return a fact of the installation, storing `default` when it is not known yet."""
        return fact(self._database, key, default)
