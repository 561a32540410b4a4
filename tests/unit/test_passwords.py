from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.users import passwords
from services.users.passwords import MIN_LENGTH, Passwords
from utils.errors import Overloaded


def test_the_list_holds_only_what_the_rules_would_let_through() -> None:
    listed = passwords.common()
    assert len(listed) > 200
    assert all(len(word) >= MIN_LENGTH and len(set(word)) >= passwords.MIN_DISTINCT for word in listed)


def test_verifies_and_salts() -> None:
    hasher = Passwords()
    first, second = hasher.hash("correct-horse-7-staple"), hasher.hash("correct-horse-7-staple")
    assert first != second
    assert hasher.verify(first, "correct-horse-7-staple")
    assert not hasher.verify(first, "correct-horse-7-stapl")
    assert not hasher.verify(None, "correct-horse-7-staple")
    assert not hasher.verify("not a hash", "correct-horse-7-staple")
    assert not hasher.is_outdated(first)


def test_as_many_at_once_as_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    hasher = Passwords(processes=2)
    running, most, lock = 0, 0, threading.Lock()
    two = threading.Barrier(2)

    class Slow:
        def hash(self, _: str) -> str:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            two.wait(30)
            with lock:
                running -= 1
            return "hash"

    monkeypatch.setattr(hasher, "_hasher", Slow())
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(hasher.hash, ["x"] * 12)) == ["hash"] * 12
    assert most == 2


def test_who_waits_too_long_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    hasher = Passwords(wait=0.5)
    begun, release = threading.Event(), threading.Event()

    def hog() -> None:
        begun.set()
        release.wait(30)

    monkeypatch.setattr(hasher, "_wait", 30)
    busy = threading.Thread(target=hasher._run, args=(hog,))
    busy.start()
    assert begun.wait(30)
    monkeypatch.setattr(hasher, "_wait", 0.05)
    with pytest.raises(Overloaded) as caught:
        hasher.hash("correct-horse-7-staple")
    assert caught.value.retry_after == 1
    release.set()
    busy.join()
    monkeypatch.setattr(hasher, "_wait", 30)
    assert hasher.hash("correct-horse-7-staple")
