"""Choose the market of the demo exchange: made-up or recorded."""

from __future__ import annotations

from pathlib import Path

from config import Settings
from engine.demo.generator import DemoMarket
from engine.demo.replay import ReplayMarket
from engine.markets.source import MarketSource
from utils.demo_facts import DemoFacts


def demo_source(settings: Settings, facts: DemoFacts) -> MarketSource:
    """Return the demo market, the same in every process and after every restart."""
    if settings.demo_replay:
        return ReplayMarket(Path(settings.demo_replay).absolute(), settings.demo_replay_speed, facts.begun_at)
    return DemoMarket(facts.seed, facts.begun_at, settings.demo_funding_seconds)
