"""The keys that a live account trades with: what its owner replaces is used from the next request on.

Keys may be replaced by others of the same account at the exchange alone. Through those of another one its orders look
as if they had never been, and its money as if it had gone: then nothing is concluded, and nothing is sent.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from engine.exchanges.client import credentials
from engine.journal.records import Records
from engine.live.trader import LiveTrader
from utils.errors import Conflict, EngineUnavailable
from utils.vault import Vault

_log = logging.getLogger(__name__)
EXCHANGE_ACCOUNT = "exchange_account:"
"""What the name of the fact begins with that tells whose a live account is at its exchange."""


class Keys:
    """Hand an account's keys to its ccxt client, and look whether others have taken their place."""

    def __init__(self, records: Records, vault: Vault, account_id: str) -> None:
        self._records = records
        self._vault = vault
        self._account_id = account_id
        self._version: Any = None
        self._verified = False
        self._known: Any = None
        """The version of the keys of which it is known whose they are."""
        self._asking: asyncio.Task[None] | None = None
        self.foreign = False
        """Whether they are those of another account at the exchange."""

    @property
    def may_send(self) -> bool:
        """Tell whether an order may go out: the keys are verified, and known to be those of the account."""
        return self._verified and self.are_own

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

    @property
    def are_own(self) -> bool:
        """Tell whether they are known to be those of the account: a cancel may go out then, whether verified or not."""
        return self._known == self._version and not self.foreign

    def check_own(self) -> None:
        """Refuse what would be another account's. :raises Conflict: `credential_other_account`."""
        if self.foreign:
            detail = "These keys are those of another account at the exchange; open an account of its own for it."
            raise Conflict(detail, code="credential_other_account")

    async def check(self, client: Any) -> None:
        """Renew the keys before an order. :raises Conflict: `credential_not_verified` after they were replaced."""
        await self.renew(client)
        if not self._verified:
            raise Conflict("Verify the account's keys first.", code="credential_not_verified")
        if self._known != self._version:
            detail = "The keys are new, and the exchange has not told yet whose they are."
            raise EngineUnavailable(detail, code="credential_not_identified", retry_after=1)
        self.check_own()

    async def identify(self, trader: LiveTrader) -> None:
        """Ask whose the keys are when they are new; the first ones tell whose the account is.

        It is asked once for all who want to know: the answer is dear in the exchange's limits.

        :raises Unreachable: the exchange does not tell.
        """
        while self._known != self._version:
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask(trader), name=f"keys of {self._account_id}")
                self._asking.add_done_callback(self._asked)
            await asyncio.shield(self._asking)

    def _asked(self, asking: asyncio.Task[None]) -> None:
        self._asking = None
        if not asking.cancelled():
            asking.exception()  # those who wait are told; there may be none any more

    async def _ask(self, trader: LiveTrader) -> None:
        version = self._version
        name = await trader.identity()
        if name is not None:
            first = await asyncio.to_thread(self._records.fact, f"{EXCHANGE_ACCOUNT}{self._account_id}", name)
            self.foreign = first != name
            if self.foreign:
                _log.error("account %s has the keys of another account at its exchange", self._account_id)
        self._known = version
