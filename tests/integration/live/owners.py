"""Users with live accounts, as SQL has them."""

from __future__ import annotations

from decimal import Decimal

import models
from config import Settings
from models import Database
from utils import clock
from utils.credentials import ApiKeys, seal
from utils.ids import new_id
from utils.vault import Vault


def open_account(
    settings: Settings, database: Database, keys: ApiKeys, exchange: str, account_type: str
) -> tuple[str, str]:
    """Write a user with keys for `exchange` and a live account there, and return both ids."""
    user, account, credential, moment = new_id(), new_id(), new_id(), clock.now()
    sealed = seal(Vault.of(settings.encryption_keys), keys, user, exchange, credential)
    with database.write() as session:
        session.add(
            models.User(
                **dict.fromkeys(("id", "username", "username_key", "email", "email_key"), user),
                **{"password_hash": "", "role": "user", "is_active": True},
                **{"created_at": moment, "updated_at": moment},
            )
        )
        session.flush()
        session.add(
            models.Credential(
                **{"id": credential, "user_id": user, "name": "keys", "exchange": exchange, "key_hint": ""},
                **{"sealed": sealed.blob, "key_id": sealed.key_id, "permissions": None, "status": "verified"},
                **{"created_at": moment, "updated_at": moment},
            )
        )
        session.flush()
        session.add(
            models.Account(
                **{"id": account, "user_id": user, "name": "Live", "mode": "live", "exchange": exchange},
                **{"type": account_type, "kind": "main", "reference_currency": "USDT", "status": "active"},
                **{"starting_balance": Decimal(0), "credential_id": credential},
                **{"created_at": moment, "updated_at": moment},
            )
        )
    return user, account
