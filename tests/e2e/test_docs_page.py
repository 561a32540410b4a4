"""The documentation as a browser shows it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.e2e.browser import chromium
from tests.e2e.running import Server
from tests.openapi_client import operations

pytestmark = pytest.mark.chromium


def browse(address: str, profile: Path) -> tuple[str, str]:
    """Return what the page at `address` looks like when its scripts have run, and what they complained about."""
    command = [
        *(chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *(f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--window-size=1280,20000"),
        *("--enable-logging=stderr", "--log-level=0", "--dump-dom", address),
    ]
    done = subprocess.run(command, capture_output=True, timeout=180, check=True)
    log = done.stderr.decode(errors="replace")
    return done.stdout.decode(), "\n".join(line for line in log.splitlines() if ":CONSOLE" in line)


def test_shows_every_operation_without_a_complaint(product: Server, tmp_path: Path) -> None:
    document = yaml.safe_load(product.get("/openapi.yaml"))

    page, complaints = browse(f"{product.address}/docs", tmp_path / "profile")

    assert complaints == ""
    shown = set(re.findall(r'id="operations-([a-z_0-9-]+)"', page))
    # the page writes spaces as underscores
    tags = {f"tag-{tag['name'].replace(' ', '_')}" for tag in document["tags"]}
    assert shown - tags == {
        f"{each['tags'][0].replace(' ', '_')}-{each['operationId']}" for _, _, each in operations(document)
    }
    assert tags <= shown
    assert "Failed to load API definition" not in page
    assert document["info"]["title"] in page


def test_a_complaint_would_be_seen(product: Server, tmp_path: Path) -> None:
    planted = tmp_path / "planted.html"
    script = f"fetch({json.dumps(product.address + '/docs/init.js')}); nothing();"
    planted.write_text(f"<!doctype html><script>{script}</script>")

    _, complaints = browse(planted.as_uri(), tmp_path / "profile")

    assert "nothing is not defined" in complaints
