"""Every operation of the document against the product, with requests that nobody would write by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.client import Client
from tests.e2e.running import Server
from tests.openapi_client import operations

ADMIN = {"username": "root", "password": "a-long-root-password"}
EXAMPLES = 25
CONFIG = """
[checks.negative_data_rejection]
# the web server itself refuses what is too long for it
expected-statuses = ["400", "401", "403", "404", "405", "413", "414", "415", "422"]
"""
# a stream does not end, and signing out would end the session that all other requests need
SKIPPED = ("stream_prices", "stream_candles", "stream_account", "log_out")
EXCLUDED_CHECKS = (
    # a request that fits its schema may still break a rule of the market, or one that JSON Schema cannot say
    "positive_data_acceptance",
    # GET /orders/preview asks for the order named "preview": OPTIONS lists the methods of both rules
    "allow_header_conformance",
)


@pytest.fixture(scope="module")
def product_settings() -> dict[str, str]:
    return {
        "RATE_LIMIT_ENABLED": "false",
        "ADMIN_USERNAME": ADMIN["username"],
        "ADMIN_PASSWORD": ADMIN["password"],
    }


def token(server: Server, who: str) -> str:
    client = Client(server.address)
    if who == "user":
        client.sign_up()
        return str(client.http.headers["Authorization"])
    return f"Bearer {client.call('POST', '/api/auth/login', json=ADMIN)['access_token']}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("who", ["user", "admin", "nobody"])
def test_holds_what_the_document_says(product: Server, tmp_path: Path, who: str) -> None:
    report = tmp_path / "report.json"
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{product.address}/openapi.yaml"]
    command += ["--max-examples", str(EXAMPLES), "--generation-deterministic", "--no-color", "--warnings", "off"]
    command += ["--suppress-health-check", "all"]
    command += ["--exclude-checks", ",".join(EXCLUDED_CHECKS), "--continue-on-failure"]
    command += ["--report", "json", "--report-json-path", str(report)]
    for name in SKIPPED:
        command += ["--exclude-operation-id", name]
    if who != "nobody":
        command += ["--header", f"Authorization: {token(product, who)}"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=880, check=False)

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    told = json.loads(report.read_text())
    documented = len(list(operations(yaml.safe_load(product.get("/openapi.yaml")))))
    assert told["complete"] is True
    # it does not ask for the document again that it has read
    assert told["operations"]["tested"] == documented - len(SKIPPED) - 1
    assert told["test_cases"]["generated"] > 1000
    assert "Traceback" not in product.output
