from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

from utils.ids import new_id


def test_is_a_uuid_of_version_7() -> None:
    made = UUID(new_id())
    assert (made.version, made.variant) == (7, RFC_4122)


def test_sorts_by_the_time_it_was_made_and_does_not_run_ahead_of_it() -> None:
    began = time.time()
    made = [new_id() for _ in range(20_000)]
    ended = time.time()
    assert made == sorted(made)
    for each in (made[0], made[-1]):
        assert began - 0.01 <= (UUID(each).int >> 80) / 1000 <= ended + 0.01


def test_threads_make_no_id_twice() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [each for batch in pool.map(lambda _: [new_id() for _ in range(2_000)], range(16)) for each in batch]
    assert len(set(made)) == 32_000


def test_a_forked_process_draws_other_bits_than_its_parent() -> None:
    new_id()  # so that random bits are waiting
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 36).decode()
    os.close(reading)
    os.close(writing)
    assert theirs[20:] != new_id()[20:]
