"""The document and its page over HTTP."""

from __future__ import annotations

import re

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient

from api import openapi
from api.documentation import ASSETS
from tests.problems import assert_problem


def test_the_document_is_the_running_apps(client: FlaskClient, app: Flask) -> None:
    answer = client.get("/openapi.yaml")

    assert (answer.status_code, answer.mimetype) == (200, "application/yaml")
    assert yaml.safe_load(answer.data) == openapi.document(app)
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["/openapi.yaml", "/docs", *(f"/docs/{name}" for name in ASSETS)])
def test_what_a_client_still_has_is_not_sent_again(client: FlaskClient, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    other = client.get(path, headers={"If-None-Match": '"another"'})

    assert (first.status_code, again.status_code, other.status_code) == (200, 304, 200)
    assert (again.data, other.data) == (b"", first.data)
    assert len(first.data) > 100


def test_the_page_loads_from_here_alone(client: FlaskClient) -> None:
    page = client.get("/docs")
    text = page.get_data(as_text=True)

    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy
    assert "unsafe-eval" not in policy
    loaded = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(loaded) == 5
    assert all(path.startswith("/") for path in loaded)
    assert all(client.get(path).status_code == 200 for path in loaded)
    assert not re.search(r"<script>|onload=|javascript:", text)


@pytest.mark.parametrize("name", ["index.html", "LICENSE", "missing.js", "..%2fdocumentation.py", "%00", "init.js%00"])
def test_nothing_else_is_served(client: FlaskClient, name: str) -> None:
    assert_problem(client.get(f"/docs/{name}"), 404, "not_found")


def test_the_start_page_leads_there(client: FlaskClient) -> None:
    answer = client.get("/", follow_redirects=True)
    assert (answer.status_code, answer.request.path) == (200, "/docs")
