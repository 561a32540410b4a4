"""Tell whether the product runs, and keep it from starting."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from utils.errors import Conflict

LOCKS = ("supervisor.lock", "engine.lock")
"""What `python app.py` and `python -m engine` hold in the data directory as long as they run."""


@contextmanager
def stopped(data_dir: Path) -> Iterator[None]:
    """Keep the product of `data_dir` from starting as long as the block lasts. :raises Conflict: it runs."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name in LOCKS:
            file = stack.enter_context((data_dir / name).open("a", encoding="ascii"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(f"Trading Backend runs in {data_dir}; stop it first.", code="running") from None
        yield
