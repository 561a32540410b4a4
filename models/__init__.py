"""The tables, one module per noun, and the database they live in."""

from models.accounts import Account, Balance, LedgerEntry
from models.base import Base
from models.database import Database
from models.events import AuditEntry, Event, EventCounter, Installation
from models.orders import IdempotencyKey, Order, Trade
from models.users import RefreshToken, Session, User

__all__ = [
    "Account",
    "AuditEntry",
    "Balance",
    "Base",
    "Database",
    "Event",
    "EventCounter",
    "IdempotencyKey",
    "Installation",
    "LedgerEntry",
    "Order",
    "RefreshToken",
    "Session",
    "Trade",
    "User",
]
