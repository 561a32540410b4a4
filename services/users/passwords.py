"""Passwords: what is accepted, and how it is hashed (argon2id)."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from utils.errors import FieldError, Overloaded, Refused

MIN_LENGTH = 12
MAX_LENGTH = 1024
MIN_DISTINCT = 5
"""Fewer different characters than this make a password that is found by trying repetitions."""

TIME_COST = 2
MEMORY_KIB = 19 * 1024
WAIT_SECONDS = 5.0
"""How long a request waits for its turn to hash."""

_COMMON = Path(__file__).with_name("common_passwords.txt")


class Passwords:
    """Hash and verify, at most as many at once as this process has cores to itself.

    One hash takes 19 MiB and tens of milliseconds of a core: without the bound a burst of logins would starve trading.
    The hashing threads are its own, because the allocator keeps those 19 MiB for every thread that ever hashed.
    """

    def __init__(self, *, processes: int = 1, wait: float = WAIT_SECONDS) -> None:
        self._hasher = PasswordHasher(TIME_COST, MEMORY_KIB, parallelism=1, type=Type.ID)
        self._threads = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // processes), "argon2")
        self._wait = wait
        self._dummy = self._hasher.hash(os.urandom(16))

    def hash(self, password: str) -> str:
        """Return the salted hash of `password`.

        :raises Overloaded: when too many others are waiting for a hash.
        """
        return self._run(lambda: self._hasher.hash(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether `password` belongs to `stored`; takes the same time when there is nothing stored.

        :raises Overloaded: when too many others are waiting for a hash.
        """

        def matches() -> bool:
            try:
                return self._hasher.verify(stored or self._dummy, password) and stored is not None
            except (VerificationError, InvalidHashError):
                return False

        return self._run(matches)

    def is_outdated(self, stored: str) -> bool:
        """Tell whether `stored` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _run[Result](self, work: Callable[[], Result]) -> Result:
        future = self._threads.submit(work)
        try:
            return future.result(timeout=self._wait)
        except TimeoutError:
            future.cancel()
            raise Overloaded("Too many sign-ins at once.", retry_after=1) from None


def check(password: str, *, username: str, email: str, field: str = "password") -> None:
    """Refuse a password that is short, long, common or made of the user's own names.

    :raises Refused: with `field` and the rule as code.
    """
    if len(password) < MIN_LENGTH:
        raise _refused(field, "password_too_short", f"Use at least {MIN_LENGTH} characters.")
    if len(password) > MAX_LENGTH:
        raise _refused(field, "password_too_long", f"Use at most {MAX_LENGTH} characters.")
    folded = password.casefold()
    if folded in common() or len(set(folded)) < MIN_DISTINCT:
        raise _refused(field, "password_too_common", "This password is among the first that are tried.")
    if folded in {username.casefold(), email.casefold(), email.casefold().partition("@")[0]}:
        raise _refused(field, "password_is_name", "The password must not be your name or address.")


@cache
def common() -> frozenset[str]:
    """Return the common passwords of at least `MIN_LENGTH` characters, case-folded."""
    lines = _COMMON.read_text(encoding="utf-8").splitlines()
    return frozenset(line.casefold() for line in lines if line and not line.startswith("#"))


def _refused(field: str, code: str, message: str) -> Refused:
    return Refused(message, errors=(FieldError(field=field, code=code, message=message),))
