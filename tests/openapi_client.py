"""A test client that holds every answer against the OpenAPI document: status, content type, headers and body.

What is not documented is an error here, members of a body included, although clients must expect new ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from api import openapi

ROOT = "urn:openapi"
_FORMATS = FormatChecker(())
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


@_FORMATS.checks("date-time")
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or _TIME.fullmatch(value) is not None


class Undocumented(AssertionError):
    """An answer is not as the document says."""


class ValidatingClient(FlaskClient):
    """Validate each answer before the test sees it."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Make the request.

        :raises Undocumented: when the document does not know such an answer.
        """
        response = super().open(*args, **kwargs)
        for each in (*response.history, response):
            check(self.application, each)
        return response


def check(app: Flask, response: TestResponse) -> None:
    """Hold one answer of `app` against its document. :raises Undocumented: when it is not as documented."""
    method = response.request.method
    if method == "OPTIONS" or _is_of_a_test(app, response, method):
        return
    # a HEAD is answered as a GET, without the body
    contract, operation = _contract(app), _operation(app, response, "GET" if method == "HEAD" else method)
    where = f"{method} {response.request.path} answered {response.status_code}"
    if operation is None:
        if response.status_code not in {404, 405, 413}:
            raise Undocumented(f"{where}: there is no such operation in the document")
        contract.check_body(where, response, "#/components/schemas/Problem")
        return
    contract.check(where, response, *operation)


def _operation(app: Flask, response: TestResponse, method: str) -> tuple[str, str] | None:
    """Return path and method of the operation that answered, as the document writes them."""
    rule = _rule(app, response, method)
    return None if rule is None else (re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule), method.lower())


def _rule(app: Flask, response: TestResponse, method: str) -> Rule | None:
    urls = app.url_map.bind("localhost")
    for is_websocket in (False, True):
        with suppress(HTTPException):
            rule, _ = urls.match(response.request.path, method, return_rule=True, websocket=is_websocket)
            return rule
    return None


def _is_of_a_test(app: Flask, response: TestResponse, method: str) -> bool:
    rule = _rule(app, response, method)
    return rule is not None and app.view_functions[rule.endpoint].__module__.startswith("tests.")


@dataclass(frozen=True)
class Contract:
    """A document with its schemas compiled as they are needed."""

    document: dict[str, Any]
    registry: Registry[Any]
    validators: dict[str, Draft202012Validator]

    @classmethod
    def of(cls, document: dict[str, Any]) -> Contract:
        """Read a document, every object of it closed."""
        closed = _closed(document)
        return cls(closed, Registry().with_resource(ROOT, DRAFT202012.create_resource(closed)), {})

    def check(self, where: str, response: TestResponse, path: str, method: str) -> None:
        """Hold an answer against its operation. :raises Undocumented: when it is not as documented."""
        operation = self.document["paths"].get(path, {}).get(method)
        if operation is None:
            raise Undocumented(f"{where}: the document has no {method.upper()} {path}")
        documented = operation["responses"].get(str(response.status_code))
        if documented is None:
            raise Undocumented(f"{where}: the document has {', '.join(operation['responses'])} there")
        if "$ref" in documented:
            documented = self.document["components"]["responses"][documented["$ref"].rpartition("/")[2]]
        content = documented.get("content", {})
        if content and response.mimetype not in content:
            raise Undocumented(f"{where}: it is {response.mimetype}, not {' or '.join(content)}")
        self._check_headers(where, response, documented.get("headers", {}))
        reference = content.get(response.mimetype, {}).get("schema", {}).get("$ref")
        if reference is not None and response.request.method != "HEAD":
            self.check_body(where, response, reference)

    def check_body(self, where: str, response: TestResponse, reference: str) -> None:
        """Hold a JSON body against a schema. :raises Undocumented: when it does not fit."""
        if response.request.method == "HEAD":
            return
        body = response.get_json(silent=True)
        error = next(iter(self._validator(reference).iter_errors(body)), None)
        if error is not None:
            place = "/".join(str(step) for step in error.absolute_path) or "the body"
            raise Undocumented(f"{where}: {place}: {error.message[:500]}")

    def _check_headers(self, where: str, response: TestResponse, documented: dict[str, Any]) -> None:
        if "X-Request-ID" in documented and "X-Request-ID" not in response.headers:
            raise Undocumented(f"{where}: X-Request-ID is missing")
        for name in ("Location", "Retry-After", "WWW-Authenticate"):
            if name in response.headers and name not in documented and response.status_code not in range(300, 400):
                raise Undocumented(f"{where}: its header {name} is not documented")

    def _validator(self, reference: str) -> Draft202012Validator:
        if reference not in self.validators:
            self.validators[reference] = Draft202012Validator(
                {"$ref": f"{ROOT}{reference}"}, registry=self.registry, format_checker=_FORMATS
            )
        return self.validators[reference]


def _contract(app: Flask) -> Contract:
    rules = tuple((rule.rule, rule.endpoint) for rule in app.url_map.iter_rules())
    return _contract_of(_Keyed(rules, app))


class _Keyed:
    """An app, the same to a cache as any other with its routes: each test has an app of its own."""

    def __init__(self, rules: tuple[tuple[str, str], ...], app: Flask) -> None:
        self.rules = rules
        self.app = app

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and self.rules == other.rules

    def __hash__(self) -> int:
        return hash(self.rules)


@cache
def _contract_of(keyed: _Keyed) -> Contract:
    return Contract.of(openapi.document(keyed.app))


def _closed(node: Any) -> Any:
    """Return `node` with `additionalProperties: false` in each object schema that says nothing of them."""
    if isinstance(node, list):
        return [_closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    closed = {name: _closed(each) for name, each in node.items()}
    if closed.get("type") == "object" and "properties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and operation of each operation of `document`."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation
