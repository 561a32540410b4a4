"""Keys tried at an exchange that speaks Binance's protocol, and fails when it is told to."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from config import Settings
from engine.exchanges import verification
from engine.exchanges.verification import Verifier
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.faults import Fault
from utils import credentials
from utils.credentials import ApiKeys
from utils.errors import ExchangeUnavailable, NotFound, NotReady
from utils.vault import Vault
from utils.wire import CredentialCheck, VerifyCredential

KEYS = ApiKeys("canary-key-of-the-user", "canary-secret-of-the-user")


def verify(settings: Settings, keys: ApiKeys = KEYS, **changes: Any) -> CredentialCheck:
    row = {"user_id": "u", "exchange": "binance", "credential_id": "c"}
    sealed = credentials.seal(Vault.of(settings.encryption_keys), keys, *row.values())
    query = VerifyCredential(key_id=sealed.key_id, sealed=sealed.blob, **{**row, **changes})
    return asyncio.run(Verifier(settings, settings.exchanges).verify(query))


@pytest.mark.parametrize("permissions", [("read", "trade"), ("read",)])
def test_tells_what_keys_may_do(settings: Settings, exchange: LoopbackBinance, permissions: tuple[Any, ...]) -> None:
    exchange.add_key(KEYS.api_key, KEYS.api_secret, permissions=permissions)
    assert verify(settings) == CredentialCheck(permissions=list(permissions))


def test_keys_that_may_withdraw_are_refused_unless_the_operator_takes_them(
    settings: Settings, exchange: LoopbackBinance
) -> None:
    exchange.add_key(KEYS.api_key, KEYS.api_secret, permissions=("read", "trade", "withdraw"))
    refused = verify(settings)
    assert (refused.permissions, refused.error_code) == (["read", "trade", "withdraw"], "withdraw_permission")
    assert verify(replace(settings, allow_withdrawal_keys=True)).error_code is None


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (ApiKeys("nobody-knows-this-key", KEYS.api_secret), "invalid_api_key"),
        (ApiKeys("not a key", KEYS.api_secret), "invalid_api_key"),
        (ApiKeys(KEYS.api_key, "canary-secret-of-another"), "invalid_api_secret"),
        (ApiKeys(KEYS.api_key, "-----BEGIN PRIVATE KEY-----\nnonsense\n"), "invalid_api_secret"),
    ],
)
def test_tells_why_keys_do_not_work(
    settings: Settings,
    exchange: LoopbackBinance,
    keys: ApiKeys,
    code: str,
) -> None:
    exchange.add_key(KEYS.api_key, KEYS.api_secret)
    assert verify(settings, keys) == CredentialCheck(permissions=None, error_code=code)


@pytest.mark.parametrize("on", ["market", "account"])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("refuse"), "exchange_unreachable"),
        (Fault("error", status=502), "exchange_unreachable"),
        (Fault("garbage"), "exchange_"),
        (Fault("truncated"), "exchange_"),
        (Fault("limit", seconds=3), "exchange_rate_limited"),
        (Fault("ban", seconds=3), "exchange_rate_limited"),
        (Fault("hang"), "exchange_unreachable"),
    ],
)
def test_an_exchange_in_trouble_says_nothing_of_keys(
    settings: Settings,
    exchange: LoopbackBinance,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    on: Any,
    fault: Fault,
    code: str,
) -> None:
    exchange.add_key(KEYS.api_key, KEYS.api_secret)
    exchange.faults.add(replace(fault, on=on))
    monkeypatch.setattr(verification, "TIMEOUT_SECONDS", 2.0)

    started = time.monotonic()
    with pytest.raises(ExchangeUnavailable) as caught:
        verify(settings)

    assert time.monotonic() - started < 8
    assert caught.value.code.startswith(code)
    assert caught.value.retry_after
    assert "canary" not in f"{caught.value.detail}{caplog.text}"


def test_an_exchange_that_is_not_there(settings: Settings) -> None:
    with pytest.raises(ExchangeUnavailable):
        verify(replace(settings, exchange_urls={"binance": "http://127.0.0.1:9"}))


def test_a_clock_that_goes_wrong_does_not_fail_keys(settings: Settings, exchange: LoopbackBinance) -> None:
    exchange.add_key(KEYS.api_key, KEYS.api_secret)
    exchange.skew = 3600
    assert verify(settings).error_code is None


@pytest.mark.parametrize("exchange_name", ["demo", "kucoin", "nowhere"])
def test_an_exchange_that_the_installation_lacks(settings: Settings, exchange_name: str) -> None:
    with pytest.raises(NotFound) as caught:
        verify(settings, exchange=exchange_name)
    assert caught.value.code == "unknown_exchange"


def test_keys_of_another_row_do_not_reach_the_exchange(settings: Settings, exchange: LoopbackBinance) -> None:
    with pytest.raises(NotReady):
        verify(settings, credential_id="another")
    assert not exchange.seen
