"""The keys that a live account trades with: what its owner replaces is used from the next request on."""

from __future__ import annotations

import asyncio
from typing import Any

from engine.exchanges.client import credentials
from engine.records import Records
from utils.errors import Conflict
from utils.vault import Vault


class Keys:
    """Hand an account's keys to its ccxt client, and look whether others have taken their place."""

    def __init__(self, records: Records, vault: Vault, account_id: str) -> None:
        self._records = records
        self._vault = vault
        self._account_id = account_id
        self._version: Any = None
        self._verified = False

    async def renew(self, client: Any) -> None:
        """Let `client` sign with the keys that SQL has now.

        :raises NotReady: `credential_unreadable`: there are none, or the key ring does not open them.
        """
        stored = await asyncio.to_thread(self._records.keys_of, self._account_id, self._vault, self._version)
        self._verified = stored.verified
        if stored.keys is not None:
            named = {"apiKey": None, "secret": None, "password": None, **credentials(stored.keys)}
            for name, value in named.items():
                setattr(client, name, value)
            self._version = stored.version

    async def check(self, client: Any) -> None:
        """Renew the keys before an order. :raises Conflict: `credential_not_verified` after they were replaced."""
        await self.renew(client)
        if not self._verified:
            raise Conflict("Verify the account's keys first.", code="credential_not_verified")
