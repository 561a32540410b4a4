"""Hits counted in advance: each is used once, and fewer are taken the nearer the limit is."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from middleware.leases import LEASE, Leases, Standing


def standing(remaining: int, seconds: float = 60) -> Standing:
    return Standing(6000, remaining, time.time() + seconds)


def test_the_first_hit_of_a_window_is_counted_singly() -> None:
    leases = Leases()
    assert (leases.use("ada"), leases.size("ada")) == (None, 1)
    assert leases.keep("ada", 1, standing(5999)).remaining == 5999
    assert (leases.use("ada"), leases.size("ada"), leases.size("bob")) == (None, LEASE, 1)


def test_every_hit_of_a_lease_is_used_once_and_counts_down() -> None:
    leases = Leases()
    first = leases.keep("ada", LEASE, standing(5000))
    used = [leases.use("ada") for _ in range(LEASE)]
    assert [first.remaining, *(one.remaining for one in used if one)] == [5000 + left for left in range(LEASE)][::-1]
    assert used[-1] is None


def test_near_the_limit_hits_are_counted_singly() -> None:
    leases = Leases()
    leases.keep("ada", 1, standing(127))
    assert leases.size("ada") == 1
    leases.keep("ada", 1, standing(640))
    assert leases.size("ada") == 10


def test_a_lease_ends_with_its_window() -> None:
    leases = Leases()
    leases.keep("ada", LEASE, standing(5000, seconds=0.02))
    time.sleep(0.03)
    assert (leases.use("ada"), leases.size("ada")) == (None, 1)
    leases.keep("ada", 1, standing(5999))
    assert leases.use("ada") is None  # what was left of the window before is not added


def test_threads_use_no_hit_twice() -> None:
    leases = Leases()
    for _ in range(4):  # as threads that found nothing left at the same time
        leases.keep("ada", LEASE, standing(5000))
    with ThreadPoolExecutor(8) as pool:
        used = list(pool.map(lambda _: leases.use("ada"), range(400)))
    assert sum(one is not None for one in used) == 4 * (LEASE - 1)
