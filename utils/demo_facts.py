"""What makes the demo exchange of an installation the same in every process, and after every restart."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from config import Settings


class DemoFacts(NamedTuple):
    """With which seed the demo market moves (0 when a recording is played), and since when, in seconds of the epoch."""

    seed: int
    begun_at: float


def demo_facts(settings: Settings, fact: Callable[[str, str], str]) -> DemoFacts:
    """Return the facts of an installation.

    :param fact: returns what is stored of the installation, after storing what it is given where there is nothing yet.
    """
    if settings.demo_replay:
        path = Path(settings.demo_replay).absolute()
        # by a digest: a path may be longer than a key
        key = f"demo.replay_started:{hashlib.sha256(bytes(path)).hexdigest()[:32]}"
        return DemoFacts(0, float(fact(key, str(time.time()))))
    seed = settings.demo_seed or fact("demo.seed", str(secrets.randbits(63)))
    return DemoFacts(int(seed), float(fact("demo.epoch", str(int(time.time())))))
