"""The OpenAPI 3.1 document, generated from routes and schemas."""

from __future__ import annotations

import inspect
import re
from http import HTTPStatus
from typing import Any

import flask_smorest
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Flask

from api.conventions import COMPONENTS
from api.document import complete
from api.schemas.envelope import ProblemSchema
from api.schemas.fields import DecimalString

EXTENSION = "trading-openapi"
"""Key of the `Api` in `app.extensions`."""


class Converter(OpenAPIConverter):
    """Turn schemas into JSON Schema, with what their docstrings and `ALIASES` say."""

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        """Return the JSON Schema of `schema`."""
        written: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        text = inspect.cleandoc(type(schema).__doc__ or "")
        properties = written["properties"]
        for alias, name in getattr(schema, "ALIASES", {}).items():
            if name in properties:
                properties[alias] = {**properties[name], "description": f"The same as `{name}`; send one of them."}
        return {"description": text.replace("\n", " "), **written} if text else written


class Plugin(MarshmallowPlugin):
    """Read schemas with the `Converter`."""

    Converter = Converter


class Api(flask_smorest.Api):  # type: ignore[misc]
    """Collect the routes of an app into one document; the errors are middleware's."""

    ERROR_SCHEMA = ProblemSchema
    # a default would make every status a documented one
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        pass

    def _register_responses(self) -> None:
        self.spec.components.schema("Problem", schema=ProblemSchema)
        for status in HTTPStatus:
            # what flask-smorest refers to by itself; `complete` puts the problems in their place
            self.spec.components.response(status.name, {"description": status.phrase}, lazy=True)


def install(app: Flask) -> Api:
    """Start an empty document for `app`."""
    options: dict[str, Any] = {
        "title": "",
        "version": "",
        "openapi_version": "3.1.0",
        "marshmallow_plugin": Plugin(),
    }
    api = Api(app, spec_kwargs=options)
    api.ma_plugin.converter.add_attribute_function(_decimal)
    api.ma_plugin.converter.add_attribute_function(_pattern)
    app.extensions[EXTENSION] = api
    for name, component in COMPONENTS["securitySchemes"].items():
        api.spec.components.security_scheme(name, component)
    return api


def document(app: Flask) -> dict[str, Any]:
    """Return the document of `app`, whose routes are all registered."""
    api: Api = app.extensions[EXTENSION]
    return complete(api.spec.to_dict(), app)


def _decimal(_converter: Any, field: Any, **_: Any) -> dict[str, Any]:
    if not isinstance(field, DecimalString):
        return {}
    return {"type": ["string", "null"] if field.allow_none else "string", "format": "decimal"}


def _pattern(_converter: Any, field: Any, **_: Any) -> dict[str, Any]:
    """Write the patterns as ECMA 262 reads them: anchored at both ends, and with its signs alone."""
    if hasattr(field, "PATTERN"):
        return {"pattern": field.PATTERN}
    for validator in field.validators:
        regex = getattr(validator, "regex", None)
        if isinstance(regex, re.Pattern):
            inner = regex.pattern.removeprefix("^").removesuffix(r"\Z").removesuffix("$")
            return {"pattern": f"^{inner}$"}
    return {}
