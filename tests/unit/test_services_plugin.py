"""A marked test skips without its service, and fails when the service was promised."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest

@pytest.mark.redis
def test_needs_redis():
    pass

@pytest.mark.redis
def test_skips_by_itself():
    pytest.skip("for its own reasons")

def test_plain():
    pass
"""


@pytest.mark.parametrize(
    ("extra", "code", "closing"),
    [
        ({}, 0, "1 passed, 2 skipped"),
        ({"REQUIRE_SERVICES": "1"}, 1, "1 passed, 2 errors"),
        ({"REQUIRE_SERVICES": "1", "TEST_REDIS_URL": "redis://x"}, 1, "1 failed, 2 passed"),
        ({"TEST_REDIS_URL": "redis://x"}, 0, "2 passed, 1 skipped"),
    ],
)
def test_service_marker(tmp_path: Path, extra: dict[str, str], code: int, closing: str) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = redis: needs Redis\n")
    root = Path(__file__).parents[2]
    base = {k: v for k, v in os.environ.items() if k not in {"REQUIRE_SERVICES", "TEST_REDIS_URL", "PYTEST_ADDOPTS"}}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.services_plugin", "-p", "no:cacheprovider", "-q", str(tmp_path)],
        cwd=tmp_path,
        env={**base, "PYTHONPATH": str(root), **extra},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, closing in run.stdout) == (code, True), run.stdout
