"""What the vault seals only it opens, and only where it belongs."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import key_ring
from tests.settings import ENCRYPTION_KEYS
from utils import credentials
from utils.credentials import ApiKeys
from utils.errors import NotReady
from utils.vault import NONCE_BYTES, Sealed, Vault

KEYS = ApiKeys("canary-api-key-7Q2f", "canary-secret-Zx81", "canary-password")
ROW = ("user-1", "binance", "credential-1")
NEW = f"k2:{ENCRYPTION_KEYS[::-1][:64]}"


@pytest.fixture
def vault() -> Vault:
    return Vault.of(ENCRYPTION_KEYS)


@given(st.text(), st.text(), st.none() | st.text())
def test_what_is_sealed_comes_back(api_key: str, api_secret: str, password: str | None) -> None:
    vault = Vault.of(ENCRYPTION_KEYS)
    keys = ApiKeys(api_key, api_secret, password)
    assert credentials.open(vault, credentials.seal(vault, keys, *ROW), *ROW) == keys


@pytest.mark.parametrize("row", [("user-2", *ROW[1:]), (ROW[0], "kucoin", ROW[2]), (*ROW[:2], "credential-2")])
def test_keys_do_not_open_for_another_row(vault: Vault, row: tuple[str, str, str]) -> None:
    sealed = credentials.seal(vault, KEYS, *ROW)
    with pytest.raises(NotReady, match="another row") as caught:
        credentials.open(vault, sealed, *row)
    assert caught.value.code == "credential_unreadable"


def test_parts_of_the_context_do_not_run_into_each_other(vault: Vault) -> None:
    sealed = credentials.seal(vault, KEYS, "a", "bc", "d")
    with pytest.raises(NotReady):
        credentials.open(vault, sealed, "ab", "c", "d")


def test_every_changed_byte_is_noticed(vault: Vault) -> None:
    sealed = credentials.seal(vault, KEYS, *ROW)
    for place in range(len(sealed.blob)):
        blob = bytearray(sealed.blob)
        blob[place] ^= 1
        with pytest.raises(NotReady):
            credentials.open(vault, Sealed(sealed.key_id, bytes(blob)), *ROW)
    for length in (0, 1, NONCE_BYTES, NONCE_BYTES + 1, len(sealed.blob) - 1):
        with pytest.raises(NotReady):
            credentials.open(vault, Sealed(sealed.key_id, sealed.blob[:length]), *ROW)


def test_the_first_key_seals_and_all_of_them_open(vault: Vault) -> None:
    old = credentials.seal(vault, KEYS, *ROW)
    both = Vault.of(f"{NEW},{ENCRYPTION_KEYS}")
    new = credentials.seal(both, KEYS, *ROW)
    assert (old.key_id, new.key_id) == ("k1", "k2")
    assert credentials.open(both, old, *ROW) == credentials.open(both, new, *ROW) == KEYS
    with pytest.raises(NotReady, match="lacks the key k2"):
        credentials.open(vault, new, *ROW)
    with pytest.raises(NotReady):
        credentials.open(both, Sealed("k2", old.blob), *ROW)


def test_no_two_seals_are_alike_and_none_shows_the_keys(vault: Vault) -> None:
    blobs = [credentials.seal(vault, KEYS, *ROW).blob for _ in range(1000)]
    assert len({blob[1 : 1 + NONCE_BYTES] for blob in blobs}) == 1000
    assert not any(b"canary" in blob for blob in blobs)


def test_an_empty_ring_neither_seals_nor_opens(vault: Vault) -> None:
    empty = Vault.of("")
    with pytest.raises(NotReady, match="empty"):
        credentials.seal(empty, KEYS, *ROW)
    with pytest.raises(NotReady, match="lacks"):
        credentials.open(empty, credentials.seal(vault, KEYS, *ROW), *ROW)


def test_keys_show_themselves_nowhere(vault: Vault) -> None:
    assert "canary" not in f"{KEYS!r} {KEYS} {KEYS!s} {[KEYS]} {vault!r} {vars(vault)}"
    with pytest.raises(AttributeError):
        KEYS.api_key = "another"  # type: ignore[misc]
    assert b"canary" in pickle.dumps(KEYS)  # the other assertions can fail


@pytest.mark.parametrize(
    ("api_key", "hint"),
    [("x" * 60 + "wxyz", "wxyz"), ("0123456789abcdef", "cdef"), ("0123456789", "89"), ("abc", ""), ("", "")],
)
def test_the_hint_is_never_more_than_a_quarter(api_key: str, hint: str) -> None:
    assert ApiKeys(api_key, "secret").hint == hint


def test_a_vault_names_its_keys_in_order() -> None:
    assert list(Vault(key_ring(f"{NEW},{ENCRYPTION_KEYS}"))) == ["k2", "k1"]
