"""The tables, one module per noun, and the database they live in."""

from models.access import ApiKey, RecoveryCode, SecondFactor
from models.accounts import Account, Balance, EquitySample, LedgerEntry, Position
from models.backtests import BacktestRun, BacktestSweep, DataFile, SweepPoint
from models.base import Base
from models.bot_config import BotConfigChange
from models.credentials import Credential
from models.database import Database
from models.events import AuditEntry, Event, EventCounter, Installation
from models.exchanges import connected as connected_exchanges
from models.exchanges import remember as remember_exchange
from models.jobs import Job, Lease
from models.notifications import (
    Announcement,
    MailAddress,
    MailDelivery,
    Notification,
    NotificationCursor,
    NotificationSetting,
    PriceAlert,
    Webhook,
    WebhookDelivery,
)
from models.orders import IdempotencyKey, Order, Trade
from models.risk import KillSwitch, RiskLimits
from models.strategies import SignalKey, Strategy, StrategyLogEntry
from models.tournaments import Award, LeaderboardEntry, Participant, PastRank, Rank, Team, TeamRank, Tournament
from models.users import RefreshToken, Session, StreamTicket, User, UserSettings

__all__ = [
    "Account",
    "Announcement",
    "ApiKey",
    "AuditEntry",
    "Award",
    "BacktestRun",
    "BacktestSweep",
    "Balance",
    "Base",
    "BotConfigChange",
    "Credential",
    "DataFile",
    "Database",
    "EquitySample",
    "Event",
    "EventCounter",
    "IdempotencyKey",
    "Installation",
    "Job",
    "KillSwitch",
    "LeaderboardEntry",
    "Lease",
    "LedgerEntry",
    "MailAddress",
    "MailDelivery",
    "Notification",
    "NotificationCursor",
    "NotificationSetting",
    "Order",
    "Participant",
    "PastRank",
    "Position",
    "PriceAlert",
    "Rank",
    "RecoveryCode",
    "RefreshToken",
    "RiskLimits",
    "SecondFactor",
    "Session",
    "SignalKey",
    "Strategy",
    "StrategyLogEntry",
    "StreamTicket",
    "SweepPoint",
    "Team",
    "TeamRank",
    "Tournament",
    "Trade",
    "User",
    "UserSettings",
    "Webhook",
    "WebhookDelivery",
    "connected_exchanges",
    "remember_exchange",
]
