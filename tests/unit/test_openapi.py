"""The document itself: valid, complete, true to the code, and the one that is committed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
import yaml
from flask import Flask
from flask_smorest.spec import FlaskPlugin
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from api import openapi
from api.examples import EXAMPLES
from app import create_app
from config import Settings
from engine.journal.unit import Line, Unit
from middleware.permissions import PUBLIC
from middleware.rate_limits import UNLIMITED
from scripts import openapi as script
from tests.openapi_client import operations

HIDDEN = frozenset({"OPTIONS", "HEAD"})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    directory = tmp_path_factory.mktemp("app")
    url = f"sqlite:///{directory}/unused.db"
    return create_app(Settings(data_dir=directory, database_url=url, secret_key="x" * 32, rate_limit_enabled=False))


@pytest.fixture(scope="module")
def document(made: Flask) -> dict[str, Any]:
    return openapi.document(made)


def _named(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, method, operation in operations(document):
        yield f"{method.upper()} {path}", operation


class TestTheFile:
    def test_is_what_the_code_says(self) -> None:
        assert script.PATH.read_text(encoding="utf-8") == script.generate(), "run python -m scripts.openapi"

    def test_says_what_the_app_says(self, document: dict[str, Any]) -> None:
        assert yaml.safe_load(script.generate()) == document

    def test_a_drift_is_found_and_shown(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        kept = tmp_path / "openapi.yaml"
        monkeypatch.setattr(script, "PATH", kept)
        monkeypatch.setattr("sys.argv", ["openapi"])
        assert script.main() == 0
        monkeypatch.setattr("sys.argv", ["openapi", "--check"])
        assert script.main() == 0
        kept.write_text(kept.read_text().replace("operationId: log_in", "operationId: logged_in"))

        assert script.main() == 1
        shown = capsys.readouterr().out
        assert "-      operationId: logged_in\n+      operationId: log_in\n" in shown
        assert "out of date" in shown


class TestTheDocument:
    def test_is_valid_openapi_31(self, document: dict[str, Any]) -> None:
        assert document["openapi"].startswith("3.1.")
        openapi_spec_validator.validate(document)

    def test_has_every_route(self, made: Flask, document: dict[str, Any]) -> None:
        routes = {
            (method.lower(), FlaskPlugin.flaskpath2openapi(rule.rule))
            for rule in made.url_map.iter_rules()
            for method in (rule.methods or set()) - HIDDEN
        }
        assert {(method, path) for path, method, _ in operations(document)} == routes

    def test_every_operation_has_a_name_of_its_own_a_summary_and_a_known_tag(self, document: dict[str, Any]) -> None:
        names = [operation["operationId"] for _, operation in _named(document)]
        assert len(set(names)) == len(names)
        tags = {tag["name"] for tag in document["tags"] if len(tag["description"]) > 8}
        for where, operation in _named(document):
            assert operation["summary"].endswith("."), where
            assert set(operation["tags"]) <= tags, where

    def test_every_parameter_is_described_and_cannot_be_null(self, document: dict[str, Any]) -> None:
        for path, item in document["paths"].items():
            parameters = [*item.get("parameters", [])]
            for _, method, operation in operations({"paths": {path: item}}):
                parameters += [{**one, "method": method} for one in operation.get("parameters", [])]
            for parameter in parameters:
                where = (path, parameter.get("method"), parameter["name"])
                assert parameter.get("description"), where
                assert "null" not in str(parameter["schema"]), where
                assert "None" not in str(parameter["schema"]), where

    def test_every_operation_documents_what_middleware_answers(self, made: Flask, document: dict[str, Any]) -> None:
        views = {endpoint.rpartition(".")[2]: view for endpoint, view in made.view_functions.items()}
        for where, operation in _named(document):
            view: Any = views[operation["operationId"]]
            statuses = {int(status) for status in operation["responses"]}
            assert 500 in statuses, where
            assert (operation.get("security") == []) == (view.permission == PUBLIC), where
            assert {401, 403} <= statuses or view.permission == PUBLIC, where
            assert (429 in statuses) == (view.limit != UNLIMITED), where
            if "requestBody" in operation:
                assert {400, 413, 415, 422} <= statuses, where
            if "{" in where:
                assert 404 in statuses, where

    def test_every_json_answer_is_in_the_envelope(self, document: dict[str, Any]) -> None:
        schemas = document["components"]["schemas"]
        for where, operation in _named(document):
            for status, response in operation["responses"].items():
                media = response.get("content", {}).get("application/json")
                if media is not None:
                    envelope = schemas[media["schema"]["$ref"].rpartition("/")[2]]
                    assert {"success", "data"} <= set(envelope["required"]), (where, status)
                    assert "additionalProperties" not in envelope, (where, status)

    def test_request_bodies_are_closed_and_have_examples(self, document: dict[str, Any]) -> None:
        for where, operation in _named(document):
            if operation["operationId"] == "upload_data_file":
                assert operation["requestBody"]["content"]["text/csv"]["example"], where
            elif "requestBody" in operation:
                media = operation["requestBody"]["content"]["application/json"]
                name = media["schema"]["$ref"].rpartition("/")[2]
                assert document["components"]["schemas"][name]["additionalProperties"] is False, where
                assert media["examples"], where

    def test_numbers_are_decimal_strings_and_nothing_is_nullable_the_old_way(self, document: dict[str, Any]) -> None:
        order = document["components"]["schemas"]["Order"]["properties"]
        assert order["amount"] == {"$ref": "#/components/schemas/DecimalString"}
        assert order["price"]["anyOf"] == [{"$ref": "#/components/schemas/DecimalString"}, {"type": "null"}]
        assert "nullable" not in str(document)
        ticket = document["components"]["schemas"]["OrderTicket"]["properties"]
        assert {"quantity", "qty", "limit_price"} <= set(ticket)
        assert ticket["qty"]["anyOf"][0] == {"$ref": "#/components/schemas/DecimalInput"}

    def test_patterns_are_ones_that_ecma_262_knows(self, document: dict[str, Any]) -> None:
        patterns = list(_values(document, "pattern"))
        assert patterns
        for pattern in patterns:
            assert pattern.startswith("^"), pattern
            assert pattern.endswith("$"), pattern
            assert r"\Z" not in pattern

    def test_placing_links_to_what_can_be_done_with_the_order(self, document: dict[str, Any]) -> None:
        links = document["paths"]["/api/trading/orders"]["post"]["responses"]["201"]["links"]
        assert set(links) == {"get_order", "edit_order", "cancel_order"}
        assert links["get_order"]["parameters"] == {"order_id": "$response.body#/data/id"}

    def test_orders_stream_and_key_are_described(self, document: dict[str, Any]) -> None:
        place = document["paths"]["/api/trading/orders"]["post"]
        assert [one["name"] for one in place["parameters"]] == ["Idempotency-Key"]
        assert "Location" in place["responses"]["201"]["headers"]
        alias = document["paths"]["/api/orders"]["post"]
        assert alias["description"] == "Another path of `POST /api/trading/orders`."
        stream = document["paths"]["/api/stream/prices"]["get"]["responses"]["200"]["content"]
        assert set(stream) == {"text/event-stream"}


class TestTheExamples:
    def test_the_account_stream_shows_a_balance_event_as_the_engine_writes_it(self, document: dict[str, Any]) -> None:
        shown = document["paths"]["/api/stream/account"]["get"]["responses"]["200"]["content"]["text/event-stream"]
        _, _, line = shown["example"].partition("event: balance\ndata: ")
        event = json.loads(line)
        unit = Unit(Line(event["account"], "ada"))
        unit.balance_event(
            {name: {key: Decimal(held[key]) for key in held} for name, held in event["currencies"].items()}
        )
        assert json.loads(unit.events[0]["payload"]) == event

    def test_each_fits_its_schema(self, document: dict[str, Any]) -> None:
        registry: Any = Registry().with_resource("urn:openapi", DRAFT202012.create_resource(document))
        checked = 0
        for media in _media(document):
            reference = media["schema"].get("$ref")
            if reference is None:
                continue
            validator = Draft202012Validator({"$ref": f"urn:openapi{reference}"}, registry=registry)
            examples = [each["value"] for each in media.get("examples", {}).values()]
            for example in [*examples, *([media["example"]] if "example" in media else [])]:
                validator.validate(example)
                checked += 1
        assert checked > 40

    def test_every_json_answer_has_one(self, document: dict[str, Any]) -> None:
        missing = [
            where
            for where, operation in _named(document)
            for response in operation["responses"].values()
            if "application/json" in response.get("content", {})
            and "example" not in response["content"]["application/json"]
        ]
        assert missing == []

    def test_none_is_left_over(self, document: dict[str, Any]) -> None:
        assert set(EXAMPLES) <= set(document["components"]["schemas"])


def _media(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for content in _values(document, "content"):
        yield from content.values()


def _values(node: Any, name: str) -> Iterator[Any]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == name:
                yield value
            else:
                yield from _values(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from _values(value, name)
