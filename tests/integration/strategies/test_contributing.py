"""What CONTRIBUTING.md says of a new strategy works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from engine.strategies import classes, registry
from tests.e2e.running import ROOT
from tests.integration.strategies.owner import Owner, eventually
from utils.wire import TIMEFRAMES

SECTION = re.compile(r"## Add a strategy\n.*?```python\n(?P<code>.*?)```", re.DOTALL)
LINES = 21


@pytest.fixture
def dip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    found = SECTION.search((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert found is not None
    assert len([line for line in found["code"].splitlines() if line]) <= LINES
    folder = tmp_path / "classes"
    folder.mkdir()
    (folder / "dip.py").write_text(found["code"], encoding="utf-8")
    monkeypatch.setattr(classes, "__path__", [*classes.__path__, str(folder)])
    registry.kinds.cache_clear()
    yield
    registry.kinds.cache_clear()


def test_a_new_file_is_a_new_strategy(dip: None, ada: Owner) -> None:
    [described] = [each for each in ada.ok("GET", "meta/strategy-classes") if each["name"] == "dip"]
    assert described["defaults"] == {"timeframe": "1h", "fall_percent": "3"}
    symbol, timeframe = fallen(ada)
    settings = {"timeframe": timeframe, "fall_percent": "0"}
    ada.running("dips", strategy_class="dip", portfolio_name=symbol, settings=settings, funding="1000")
    eventually(lambda: len(ada.orders("dips")) == 1)
    ada.running("waits", strategy_class="dip", portfolio_name=symbol, settings={"fall_percent": "90"}, funding="10")
    assert [order["side"] for order in ada.orders("dips")] == ["buy"]
    assert ada.orders("waits") == []


def test_the_checks_are_content_with_it() -> None:
    found = SECTION.search((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert found is not None
    name = ["--stdin-filename", "engine/strategies/classes/dip.py", "-"]
    for check in (["check", *name], ["format", "--check", *name]):
        ruff = [sys.executable, "-m", "ruff", *check]
        result = subprocess.run(
            ruff, input=found["code"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert result.returncode == 0, result.stdout


def fallen(ada: Owner) -> tuple[str, str]:
    """Return a market and a time frame whose last candle has closed below its opening."""
    for symbol in ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT"):
        for timeframe in TIMEFRAMES:
            query = {"symbol": symbol, "timeframe": timeframe, "limit": "2"}
            answer = ada.client.get("/api/market/candles", query_string=query, headers=ada.user.headers)
            candle = [each for each in answer.get_json()["data"] if each["closed"]][-1]
            if Decimal(candle["close"]) < Decimal(candle["open"]):
                return symbol, timeframe
    raise AssertionError("nothing has fallen")
