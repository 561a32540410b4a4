"""Other keys for the account of a house: of the same owner, or of somebody else at the exchange."""

from __future__ import annotations

from sqlalchemy import select, update

import models
from tests.integration.live.house import PASSPHRASE, House
from utils import clock
from utils.credentials import ApiKeys, seal
from utils.vault import Vault


def replace_keys(house: House, keys: ApiKeys, *, status: str = "verified") -> None:
    """Let the owner replace the keys of the account."""
    with house.database.write() as session:
        row = session.execute(select(models.Credential.__table__)).one()
        sealed = seal(Vault.of(house.settings.encryption_keys), keys, row.user_id, row.exchange, row.id)
        values = {"sealed": sealed.blob, "key_id": sealed.key_id, "status": status, "updated_at": clock.now()}
        session.execute(update(models.Credential).values(**values))


def foreign_keys(house: House) -> ApiKeys:
    """Return keys of somebody else at the exchange, who could pay for our orders."""
    foreign = ApiKeys("the-api-key-of-somebody", "the-secret-of-somebody", PASSPHRASE)
    house.exchange.add_key(key=foreign.api_key, secret=foreign.api_secret, passphrase=PASSPHRASE, account="somebody")
    house.exchange.book.deposit("somebody", "USDT", "5000")
    house.exchange.book.deposit("somebody", "BTC", "1")
    return foreign
