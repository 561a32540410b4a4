"""A pytest plugin: a test of running parts that failed is run once more, and nobody overlooks that it was.

Tests of `AGAIN` start engines, servers and processes beside each other on whatever machine there is; now and then one
meets a pause that it did not reckon with. Such a test runs once more, and passes when it passes then. What was wrong
the first time is printed whole at the end, and more than `MOST` of them in one run make it red: luck is to be mended,
not used. Tests marked `once` are never run again: storms and state machines, where a single lost order is what they
look for.
"""

from __future__ import annotations

from pathlib import Path

import pytest

AGAIN = ("contract", "e2e", "integration")
MOST = 8
_TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of running parts be run once more."""
    for item in items:
        room = item.path.relative_to(_TESTS).parts[0] if item.path.is_relative_to(_TESTS) else ""
        if room in AGAIN and item.get_closest_marker("once") is None:
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=2))


def _looked_at_twice(config: pytest.Config) -> list[pytest.TestReport]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return [] if reporter is None else reporter.stats.get("rerun", [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that needed luck too often."""
    if len(_looked_at_twice(session.config)) > MOST and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was wrong the first time."""
    reports = _looked_at_twice(config)
    if not reports:
        return
    terminalreporter.section("run once more", "=")
    for report in reports:
        terminalreporter.section(report.nodeid, "_")
        report.toterminal(terminalreporter._tw)
    for report in reports:
        terminalreporter.write_line(f"TWICE {report.nodeid}")
    if len(reports) > MOST:
        terminalreporter.write_line(f"{len(reports)} were run once more; more than {MOST} is red", red=True)
