"""A pytest plugin: tests marked with a service skip when it is absent, and fail when CI promised to bring it.

With `REQUIRE_SERVICES=1` no marked test may skip for any reason: a green run then means that it ran.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator

import pytest


def _variable(name: str) -> str | None:
    return None if os.environ.get(name) else f"{name} is not set"


def _programs(*names: str) -> str | None:
    missing = [name for name in names if shutil.which(name) is None]
    return f"{' and '.join(missing)} not on PATH" if missing else None


def _chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return None if any(shutil.which(name) for name in names) else "no Chromium on PATH"


SERVICES: dict[str, Callable[[], str | None]] = {
    "postgresql": lambda: _variable("TEST_POSTGRESQL_URL"),
    "redis": lambda: _variable("TEST_REDIS_URL"),
    "chromium": _chromium,
    "nginx": lambda: _programs("nginx"),
    "node": lambda: _programs("node", "npm"),
}
"""Marker → a function that returns why the service is absent, or None."""


def _required() -> bool:
    return os.environ.get("REQUIRE_SERVICES") == "1"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose service is absent before any of its fixtures is built."""
    for marker, absence in SERVICES.items():
        if item.get_closest_marker(marker) is not None and (reason := absence()):
            pytest.skip(f"{marker}: {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip of a marked test into a failure when services are required."""
    report = yield
    marked = [marker for marker in SERVICES if item.get_closest_marker(marker) is not None]
    if report.skipped and marked and _required() and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but REQUIRE_SERVICES=1 promises {', '.join(marked)}: {report.longrepr}"
    return report
