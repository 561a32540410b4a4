"""An exchange in memory that stands in for the engine: same requests, same rules, same faults, no OctoBot."""

from tests.fake_engine.engine import FakeEngine

__all__ = ["FakeEngine"]
