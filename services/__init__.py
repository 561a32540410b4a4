"""The use cases, one module per noun. No HTTP here."""

from __future__ import annotations

from dataclasses import dataclass

from config import Settings
from models import Database
from services.accounts import Accounts
from services.health import Health
from services.passwords import Passwords
from services.sessions import Sessions
from services.tokens import Tokens
from services.users import Users
from utils.octobot_bridge import OctoBotBridge


@dataclass(frozen=True, kw_only=True)
class Services:
    """Every use case of one installation, built once."""

    users: Users
    sessions: Sessions
    accounts: Accounts
    health: Health


def build(settings: Settings, database: Database, bridge: OctoBotBridge) -> Services:
    """Wire the services together."""
    passwords = Passwords(processes=settings.web_workers)
    return Services(
        users=Users(database, passwords, signup_enabled=settings.signup_enabled),
        sessions=Sessions(database, passwords, Tokens(settings.secret_key)),
        accounts=Accounts(database),
        health=Health(database, bridge),
    )
