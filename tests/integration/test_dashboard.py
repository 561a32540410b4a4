"""The Grafana dashboard and the alert rules speak of series that `/metrics` has, in a form that they are read in."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families as parsed

from app import create_app
from config import Settings
from models import Database
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.streamer_host import StreamerHost
from utils.octobot_bridge import OctoBotBridge

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
SCRAPE = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
TOKEN = "5b0c9d1f7ae3624860f2c4d19b7e3a58"
PROMETHEUS_OWN = {"up"}
NEEDS_AN_EXCHANGE = {"trading_feed_latency_seconds"}
"""Announced, but without samples while the demo market is the only one."""

EVERYWHERE = {"job", "instance", "le"}
"""Labels that Prometheus adds, and the one of buckets."""


def panels() -> Iterator[dict[str, Any]]:
    """Yield the panels that show something."""
    yield from (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def expressions() -> Iterator[str]:
    """Yield every expression of the dashboard and of the alerts."""
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    yield from (annotation["expr"] for annotation in DASHBOARD["annotations"]["list"])
    yield from (rule["expr"] for rule in RULES)


def mentioned(expression: str) -> dict[str, set[str]]:
    """Return the series that an expression reads, each with the labels it asks for or sums by."""
    sums = {
        label.strip() for by in re.findall(r"\bby \(([^)]*)\)", expression) for label in by.split(",") if label.strip()
    }
    found: dict[str, set[str]] = {}
    for name, matchers in re.findall(r"\b(trading_\w+|up)\b(?:\{([^}]*)\})?", expression):
        found.setdefault(name, set()).update(re.findall(r"(\w+)\s*[=!]~?", matchers), sums)
    return found


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return dataclasses.replace(settings, metrics_token=TOKEN)


@pytest.fixture
def bridge(engine_bridge: OctoBotBridge) -> OctoBotBridge:
    return engine_bridge


@pytest.fixture
def series(
    app: Flask, settings: Settings, database: Database, user: SignedIn, host: EngineHost, bridge: OctoBotBridge
) -> dict[str, set[str]]:
    """Return the names of all samples after some traffic, each with its labels."""
    host.tick()
    streamer = StreamerHost(settings).start().wait_until_it_follows()
    try:
        client = app.test_client()
        order = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "amount": "0.01"}
        assert client.post("/api/trading/orders", json=order, headers=user.headers).status_code == 201
        limited = dataclasses.replace(settings, rate_limit_enabled=True, rate_limit_per_minute=1)
        strict = create_app(limited, database=database, bridge=bridge).test_client()
        assert [strict.get("/api/auth/me", headers=user.headers).status_code for _ in range(2)] == [200, 429]
        hub = streamer.streamer.hub
        # as after a client that took nothing, and one too many
        streamer.call(lambda: hub.count_drop("stalled"))
        streamer.call(lambda: hub.refusals.update(["streams_exhausted"]))
        pages = [
            each.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).get_data(as_text=True)
            for each in (client, strict)
        ]
    finally:
        streamer.close()
    found: dict[str, set[str]] = {}
    for page in pages:
        for family in parsed(page):
            if family.name in NEEDS_AN_EXCHANGE:
                found[family.name] = {"exchange"}
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_expression_reads_series_that_are_there(series: dict[str, set[str]]) -> None:
    read = 0
    for expression in expressions():
        names = mentioned(expression)
        assert names, expression
        for name, labels in names.items():
            if name in PROMETHEUS_OWN:
                continue
            assert name in series, f"{name} in {expression}"
            assert labels <= series[name] | EVERYWHERE, f"{labels - series[name]} of {name} in {expression}"
            read += 1
    assert read > 50


def test_legends_name_labels_that_are_left(series: dict[str, set[str]]) -> None:
    for panel in panels():
        for target in panel["targets"]:
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            sums = re.findall(r"\bby \(([^)]*)\)", target["expr"])
            left = {label.strip() for by in sums for label in by.split(",")}
            if not sums:
                left = set().union(*(series[name] for name in mentioned(target["expr"])))
            assert legend <= left, panel["title"]


def test_what_the_alerts_ask_for_can_happen(series: dict[str, set[str]]) -> None:
    names = {name for rule in RULES for name in mentioned(rule["expr"])}
    assert names <= set(series) | PROMETHEUS_OWN
    operations = (DEPLOY.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    missing = [rule["alert"] for rule in RULES if f"`{rule['alert']}`" not in operations]
    assert missing == []


DATA_SOURCE = {"const": {"type": "prometheus", "uid": "${datasource}"}}
TARGET = {
    "type": "object",
    "required": ["refId", "expr", "datasource", "legendFormat"],
    "properties": {
        "refId": {"pattern": "^[A-Z]$"},
        "expr": {"type": "string", "minLength": 1},
        "legendFormat": {"type": "string"},
        "range": {"type": "boolean"},
        "datasource": DATA_SOURCE,
    },
    "additionalProperties": False,
}
GRID = {
    "type": "object",
    "required": ["h", "w", "x", "y"],
    "properties": {
        "h": {"type": "integer", "minimum": 1},
        "w": {"type": "integer", "minimum": 1, "maximum": 24},
        "x": {"type": "integer", "minimum": 0, "maximum": 23},
        "y": {"type": "integer", "minimum": 0},
    },
    "additionalProperties": False,
}
UNITS = ["none", "short", "s", "bytes", "percentunit", "reqps"]
PANEL = {
    "type": "object",
    "required": ["id", "type", "title", "gridPos"],
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "type": {"enum": ["row", "stat", "timeseries"]},
        "title": {"type": "string", "minLength": 1},
        "description": {"type": "string", "minLength": 1},
        "gridPos": GRID,
        "datasource": DATA_SOURCE,
        "targets": {"type": "array", "minItems": 1, "items": TARGET},
        "fieldConfig": {
            "type": "object",
            "required": ["defaults", "overrides"],
            "properties": {"defaults": {"type": "object", "properties": {"unit": {"enum": UNITS}}}},
        },
        "options": {"type": "object"},
        "collapsed": {"type": "boolean"},
        "panels": {"type": "array", "maxItems": 0},
    },
    "if": {"properties": {"type": {"const": "row"}}},
    "then": {"required": ["collapsed", "panels"]},
    "else": {"required": ["description", "datasource", "targets", "fieldConfig", "options"]},
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "required": ["uid", "title", "schemaVersion", "time", "templating", "annotations", "panels"],
    "properties": {
        "uid": {"pattern": "^[a-z0-9-]{1,40}$"},
        "title": {"type": "string"},
        "schemaVersion": {"type": "integer", "minimum": 36},
        "time": {"type": "object", "required": ["from", "to"]},
        "templating": {
            "type": "object",
            "properties": {
                "list": {"type": "array", "items": {"type": "object", "required": ["name", "type", "query"]}}
            },
        },
        "panels": {"type": "array", "items": PANEL},
    },
}
"""Of Grafana's schema what this dashboard uses, without room for misspelled members."""


def test_the_dashboard_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(DASHBOARD)
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD))) - {"__rate_interval"} == variables


def test_panels_do_not_cover_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_the_scrape_is_what_metrics_answers_to() -> None:
    assert SCRAPE["rule_files"] == ["alerts.yml"]
    (job,) = SCRAPE["scrape_configs"]
    assert job.get("metrics_path", "/metrics") == "/metrics"
    assert set(job["authorization"]) == {"credentials_file"}
    severities = {rule["labels"]["severity"] for rule in RULES}
    assert severities == {"page", "ticket"}
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_prometheus_can_read_every_expression(tmp_path: Path) -> None:
    shown = [
        {"record": f"shown:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(expressions())
    ]
    (tmp_path / "shown.yml").write_text(yaml.safe_dump({"groups": [{"name": "shown", "rules": shown}]}))
    for rules in (tmp_path / "shown.yml", DEPLOY / "prometheus" / "alerts.yml"):
        checked = subprocess.run(
            ["promtool", "check", "rules", str(rules)], check=False, capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stderr + checked.stdout
