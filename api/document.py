"""Complete what routes and schemas say by themselves: conventions, errors, headers, links and examples."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from flask import Flask

from api.conventions import (
    ALWAYS,
    COMPONENTS,
    DECIMALS,
    DESCRIPTION,
    LIMITED,
    PARAMETERS,
    REPEATABLE,
    SERVERS,
    TITLE,
)
from api.examples import EXAMPLES
from api.examples.story import BOUGHT
from api.problems import PROBLEMS, problem
from middleware.permissions import PUBLIC
from middleware.rate_limits import UNLIMITED
from utils.version import VERSION

_NAMING = frozenset({"account", "exchange", "symbol", "symbols"})
"""Fields that name a thing which may not exist."""


def complete(spec: dict[str, Any], app: Flask) -> dict[str, Any]:
    """Return the document made of what apispec collected from the routes of `app`."""
    spec = deepcopy(spec)
    schemas = spec["components"]["schemas"]
    # aliases share their view: the first rule of each is the one they are named after
    first: dict[Any, str] = {}
    for path, method, operation, view in _operations(spec, app):
        operation["responses"] = {status: one for status, one in operation["responses"].items() if "$ref" not in one}
        for parameter in operation.get("parameters", []) + spec["paths"][path].get("parameters", []):
            _settle_parameter(parameter)
        statuses = _error_statuses(spec, path, method, operation, view)
        _describe_success(operation, schemas, unlimited=view.limit == UNLIMITED)
        for status in sorted(statuses):
            reference = {"$ref": f"#/components/responses/{PROBLEMS[status].name}"}
            operation["responses"].setdefault(str(status), reference)
        operation["responses"] = dict(sorted(operation["responses"].items()))
        if view in first:
            operation["description"] = f"Another path of `{first[view]}`."
        first.setdefault(view, f"{method.upper()} {path}")
    _link(spec)
    taken = _request_schemas(spec)
    for name, schema in schemas.items():
        if name not in taken:
            # an answer may grow; whoever reads it closed would break
            schema.pop("additionalProperties", None)
        schemas[name] = _settle_decimals(schema, "DecimalInput" if name in taken else "DecimalString")
    schemas.update(DECIMALS)
    return {
        "openapi": spec["openapi"],
        "info": {
            "title": TITLE,
            "version": VERSION,
            "summary": "Trade on paper through OctoBot, from web frontends, mobile apps and curl.",
            "description": DESCRIPTION,
            "license": {"name": "GNU General Public License v3.0 or later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": SERVERS,
        "tags": spec["tags"],
        "security": [{"bearer": []}, {"api_key": []}],
        "paths": {path: _in_order(item) for path, item in spec["paths"].items()},
        "components": {
            **COMPONENTS,
            "responses": {each.name: _problem_response(status) for status, each in sorted(PROBLEMS.items())},
            "schemas": dict(sorted(schemas.items())),
        },
    }


def _operations(spec: dict[str, Any], app: Flask) -> Iterator[tuple[str, str, dict[str, Any], Any]]:
    """Yield path, method, operation and view of every operation."""
    views = {}
    for endpoint, view in app.view_functions.items():
        views[endpoint.rpartition(".")[2]] = view
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation, views[operation["operationId"]]


def _error_statuses(spec: dict[str, Any], path: str, method: str, operation: dict[str, Any], view: Any) -> set[int]:
    """Return what middleware and reading the request may answer, and what the route declares besides."""
    parameters = operation.get("parameters", [])
    named = {parameter["name"] for parameter in parameters}
    statuses = {500, *view.errors}
    if "{" in path or any(parameter["in"] == "query" for parameter in parameters):
        statuses.add(414)
    if view.permission != PUBLIC:
        statuses |= {401, 403, 503}
    if view.limit != UNLIMITED:
        statuses.add(429)
    if method != "get":
        statuses |= {413, 503}
    if parameters or path.startswith("/api/"):
        # a route that takes no parameters refuses all of them
        statuses.add(422)
    if "cursor" in named:
        statuses.add(400)
    if "requestBody" in operation:
        statuses |= {400, 415, 422}
        named |= set(_body(spec, operation)["properties"])
    if "{" in path or named & _NAMING:
        statuses.add(404)
    return statuses


def _body(spec: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    media = operation["requestBody"]["content"].get("application/json")
    if media is None:  # an upload
        return {"properties": {}}
    reference = media["schema"]["$ref"]
    schema: dict[str, Any] = spec["components"]["schemas"][reference.rpartition("/")[2]]
    return schema


def _settle_parameter(parameter: dict[str, Any]) -> None:
    """Take null away: it cannot be written in a query, a header or a path."""
    schema = parameter["schema"]
    if isinstance(schema.get("type"), list):
        schema["type"] = next(kind for kind in schema["type"] if kind != "null")
    if schema.get("default", "") is None:
        del schema["default"]
    if "enum" in schema:
        schema["enum"] = [value for value in schema["enum"] if value is not None]
    if "example" in schema:
        parameter["example"] = schema.pop("example")
    if "description" not in parameter and parameter["name"] in PARAMETERS:
        parameter["description"] = PARAMETERS[parameter["name"]]


def _describe_success(operation: dict[str, Any], schemas: dict[str, Any], *, unlimited: bool) -> None:
    body = operation.get("requestBody")
    if body is not None and "application/json" in body["content"]:
        media = body["content"]["application/json"]
        examples = EXAMPLES.get(media["schema"]["$ref"].rpartition("/")[2])
        if examples is not None:
            media["examples"] = {name: {"value": value} for name, value in examples.items()}
    takes_key = any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", []))
    always = {**ALWAYS, **({} if unlimited else LIMITED), **(REPEATABLE if takes_key else {})}
    for response in operation["responses"].values():
        response["headers"] = {**always, **response.get("headers", {})}
        media = response.get("content", {}).get("application/json", {})
        reference = media.get("schema", {}).get("$ref")
        example = _answer(schemas[reference.rpartition("/")[2]]) if reference else None
        if example is not None:
            media["example"] = example


def _answer(envelope: dict[str, Any]) -> dict[str, Any] | None:
    """Put the example of what an envelope holds into it."""
    inner = envelope["properties"]["data"]
    reference = inner.get("$ref") or inner["items"]["$ref"]
    examples = EXAMPLES.get(reference.rpartition("/")[2])
    if examples is None:
        return None
    data = next(iter(examples.values()))
    answer = {"success": True, "data": data if "$ref" in inner else [data]}
    if "pagination" in envelope["properties"]:
        answer["pagination"] = {"limit": 50, "has_more": False, "next_cursor": None}
    if "as_of" in envelope["properties"]:
        answer |= {"as_of": BOUGHT, "stale": False}
    return answer


def _problem_response(status: int) -> dict[str, Any]:
    each = PROBLEMS[status]
    headers = dict(ALWAYS)
    if status in {429, 502, 503, 504}:
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    if status in {404, 409, 422}:  # those that belong to a key
        headers |= REPEATABLE
    if status == 401:
        headers["WWW-Authenticate"] = {"$ref": "#/components/headers/Challenge"}
    media = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": problem(status)}
    return {
        "description": each.description,
        "headers": {**headers, **LIMITED},
        "content": {"application/problem+json": media},
    }


def _link(spec: dict[str, Any]) -> None:
    """Link every answer that holds one thing with an id to what can be done with that thing."""
    takers: dict[str, list[str]] = {}
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            names = [one.strip("{}") for one in path.split("/") if one.startswith("{")]
            # aliases are left out: one link each is enough
            if method != "parameters" and len(names) == 1 and "description" not in operation:
                takers.setdefault(names[0], []).append(operation["operationId"])
    for item in spec["paths"].values():
        for method, operation in item.items():
            if method != "parameters":
                _link_operation(operation, takers)


def _link_operation(operation: dict[str, Any], takers: dict[str, list[str]]) -> None:
    for status in ("200", "201"):
        response = operation["responses"].get(status, {})
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        noun = schema.get("$ref", "").rpartition("/")[2].removesuffix("Answer").lower()
        links = {
            taker: {"operationId": taker, "parameters": {f"{noun}_id": "$response.body#/data/id"}}
            for taker in takers.get(f"{noun}_id", [])
        }
        if links:
            response["links"] = links


def _request_schemas(spec: dict[str, Any]) -> set[str]:
    """Return the names of the schemas that request bodies are made of."""
    schemas = spec["components"]["schemas"]
    bodies = [item[method] for item in spec["paths"].values() for method in item if method != "parameters"]
    pending = list(_references([operation.get("requestBody") for operation in bodies]))
    taken: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in taken:
            taken.add(name)
            pending.extend(_references(schemas[name]))
    return taken


def _settle_decimals(node: Any, component: str) -> Any:
    """Return `node` with its decimals as references to `component`."""
    if isinstance(node, list):
        return [_settle_decimals(each, component) for each in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") != "decimal":
        return {name: _settle_decimals(each, component) for name, each in node.items()}
    reference = {"$ref": f"#/components/schemas/{component}"}
    rest = {name: node[name] for name in ("description", "default") if node.get(name) is not None}
    return {**rest, **({"anyOf": [reference, {"type": "null"}]} if "null" in node["type"] else reference)}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rpartition("/")[2]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


_MEMBERS = ("tags", "summary", "description", "operationId", "security", "parameters", "requestBody", "responses")


def _in_order(item: dict[str, Any]) -> dict[str, Any]:
    ordered: dict[str, Any] = {"parameters": item["parameters"]} if "parameters" in item else {}
    for method, operation in item.items():
        if method != "parameters":
            ordered[method] = {name: operation[name] for name in _MEMBERS if name in operation}
    return ordered
