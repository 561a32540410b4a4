"""Ask an exchange what a user's keys permit."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Container
from typing import Any

import ccxt

from config import DEMO, Settings
from engine.exchanges.client import connect
from engine.exchanges.failures import unavailable
from utils import credentials
from utils.credentials import ApiKeys
from utils.errors import NotFound
from utils.vault import Sealed, Vault
from utils.wire import CredentialCheck, KeyPermission, VerifyCredential

_log = logging.getLogger(__name__)
TIMEOUT_SECONDS = 10.0
Permissions = list[KeyPermission]

_CODE = re.compile(r'"code"\s*:\s*"?(-?\d+)')
_REASONS = {
    "binance": {"-1022": "invalid_api_secret"},
    "kucoin": {
        "400004": "invalid_secret_or_password",
        "400005": "invalid_api_secret",
        "400006": "ip_not_allowed",
        "400007": "permission_denied",
    },
}
"""What an exchange's own codes mean. Binance answers -2015 to unknown keys and to wrong addresses alike,
KuCoin 400004 to a wrong passphrase and to a wrong secret, which seals it."""


class Verifier:
    """Open sealed keys and try them. What exchanges say is not logged: it may repeat what they were sent."""

    def __init__(self, settings: Settings, exchanges: Container[str]) -> None:
        self._exchanges = exchanges
        self._settings = settings
        self._vault = Vault.of(settings.encryption_keys)

    async def verify(self, query: VerifyCredential) -> CredentialCheck:
        """Return what the exchange says of the keys.

        :raises NotFound: `unknown_exchange` when the installation does not have it (any more).
        :raises NotReady: `credential_unreadable` when they do not open.
        :raises ExchangeUnavailable: it could not be asked: nothing was learnt of the keys.
        """
        if query.exchange == DEMO or query.exchange not in self._exchanges:
            raise NotFound(f"The exchange {query.exchange} is not connected.", code="unknown_exchange")
        sealed = Sealed(query.key_id, query.sealed)
        keys = credentials.open(self._vault, sealed, query.user_id, query.exchange, query.credential_id)
        try:
            # on a thread: building a ccxt client alone takes longer than the engine's loop may stand still
            permissions = await asyncio.to_thread(asyncio.run, self._ask(query.exchange, keys))
        except ccxt.AuthenticationError as error:
            code = _reason(query.exchange, error)
            _log.info("keys of credential %s are refused: %s", query.credential_id, code)
            return CredentialCheck(permissions=None, error_code=code)
        except Exception as error:  # none may pass: its text or trace could hold what was sent
            if not isinstance(error, ccxt.BaseError | TimeoutError) and "PRIVATE KEY" in keys.api_secret:
                return CredentialCheck(permissions=None, error_code="invalid_api_secret")  # it could not sign
            _log.warning("%s could not be asked about keys: %s", query.exchange, type(error).__name__)
            raise unavailable(query.exchange, error) from None
        return CredentialCheck(permissions=permissions, error_code=self._objection(permissions))

    async def _ask(self, exchange: str, keys: ApiKeys) -> Permissions:
        client = connect(exchange, self._settings, keys)
        try:
            client.check_required_credentials()
            async with asyncio.timeout(TIMEOUT_SECONDS):
                if client.has.get("fetchTime"):
                    # unsigned: who fails here is away, whatever the keys are; and signatures need the exchange's clock
                    await client.load_time_difference()
                return await _READERS.get(exchange, _from_balance)(client)
        finally:
            await client.close()

    def _objection(self, permissions: Permissions) -> str | None:
        if "read" not in permissions:
            return "no_read_permission"
        if "withdraw" in permissions and not self._settings.allow_withdrawal_keys:
            return "withdraw_permission"
        return None


async def _from_binance(client: Any) -> Permissions:
    said = await client.sapi_get_account_apirestrictions()
    return _those(
        read=said["enableReading"] is True,
        trade=said["enableSpotAndMarginTrading"] is True,
        futures=said.get("enableFutures") is True,
        withdraw=said["enableWithdrawals"] is not False,
    )


async def _from_kucoin(client: Any) -> Permissions:
    said = await client.private_get_user_api_key()
    granted = {word.strip().lower() for word in said["data"]["permission"].split(",")}
    return _those(
        read="general" in granted,
        trade=bool(granted & {"spot", "trade"}),
        # "Transfer" lets keys withdraw; "InnerTransfer" moves within the user's own accounts
        withdraw=bool(granted & {"transfer", "withdraw", "withdrawal"}),
    )


async def _from_balance(client: Any) -> Permissions:
    """Return what is taken for granted of keys that read a balance, where an exchange does not tell more."""
    await client.fetch_balance()
    return ["read", "trade"]


_READERS: dict[str, Callable[[Any], Awaitable[Permissions]]] = {"binance": _from_binance, "kucoin": _from_kucoin}


def _those(**granted: bool) -> Permissions:
    names: Permissions = ["read", "trade", "futures", "withdraw"]
    return [name for name in names if granted.get(name)]


def _reason(exchange: str, error: ccxt.AuthenticationError) -> str:
    text = str(error)
    if text.startswith(f'{exchange} requires "password"'):
        return "password_required"
    found = _CODE.search(text)
    named = _REASONS.get(exchange, {}).get(found[1]) if found else None
    if named is not None:
        return named
    if isinstance(error, ccxt.AccountSuspended):
        return "account_suspended"
    return "permission_denied" if isinstance(error, ccxt.PermissionDenied) else "invalid_api_key"
