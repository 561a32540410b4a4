"""The Postman collection: made from the document, and green from top to bottom against the product."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts import postman
from tests.e2e.running import ROOT, Server

pytestmark = pytest.mark.node
PACKAGE = ROOT / "scripts" / "postman"


@pytest.fixture(scope="module")
def newman() -> Path:
    """Install newman as it is pinned, once per checkout and lock file."""
    modules = PACKAGE / "node_modules"
    installed, wanted = modules / ".installed", (PACKAGE / "package-lock.json").read_text()
    with (PACKAGE / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.is_file() or installed.read_text() != wanted:
            npm = shutil.which("npm")
            assert npm is not None
            command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            done = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, done.stderr[-5000:]
            installed.write_text(wanted)
    return modules / ".bin" / "newman"


@pytest.mark.timeout(900)
def test_runs_from_top_to_bottom(product: Server, newman: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [str(newman), "run", str(postman.PATH), "--env-var", f"baseUrl={product.address}", "--color", "off"]
    command += ["--reporters", "cli,json", "--reporter-json-export", str(report), "--timeout-request", "15000"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    told = json.loads(report.read_text())["run"]["stats"]
    requests = sum(len(folder["item"]) for folder in json.loads(postman.PATH.read_text())["item"])
    assert told["requests"]["total"] >= requests
    assert told["assertions"]["total"] > 2 * requests
    assert told["assertions"]["failed"] == told["requests"]["failed"] == 0
