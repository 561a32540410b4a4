"""Which market the demo exchange of an installation has."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from config import Settings
from engine.demo.generator import DemoMarket
from engine.demo.replay import ReplayMarket
from engine.demo.source import MarketSource


def demo_source(settings: Settings, fact: Callable[[str, str], str]) -> MarketSource:
    """Return the demo market, the same in every process and after every restart.

    :param fact: returns what is stored of the installation, after storing what it is given where there is nothing yet.
    """
    if settings.demo_replay:
        path = Path(settings.demo_replay).absolute()
        # by a digest: a path may be longer than a key
        key = f"demo.replay_started:{hashlib.sha256(bytes(path)).hexdigest()[:32]}"
        return ReplayMarket(path, settings.demo_replay_speed, float(fact(key, str(time.time()))))
    seed = settings.demo_seed or fact("demo.seed", str(secrets.randbits(63)))
    epoch = fact("demo.epoch", str(int(time.time())))
    return DemoMarket(int(seed), float(epoch), settings.demo_funding_seconds)
