"""The OpenAPI 3.1 document, generated from routes and schemas."""

from __future__ import annotations

import inspect
import re
from http import HTTPStatus
from threading import Lock
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
    """Collect the routes of an app into one document; the errors are middleware's.

    Routes are served at once, and documented when somebody asks for the document: that takes longer than all the rest
    of a start.
    """

    ERROR_SCHEMA = ProblemSchema
    # a default would make every status a documented one
    DEFAULT_ERROR_RESPONSE_NAME = None

    def __init__(self, app: Flask, **options: Any) -> None:
        self._undocumented: list[flask_smorest.Blueprint] = []
        self._documenting = Lock()
        super().__init__(app, **options)

    def register_blueprint(self, blp: flask_smorest.Blueprint) -> None:
        """Serve the routes of `blp`."""
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blp.name] = self
        self._app.register_blueprint(blp)
        self._undocumented.append(blp)

    def to_dict(self) -> dict[str, Any]:
        """Return the document of every route so far."""
        with self._documenting:
            while self._undocumented:
                blueprint = self._undocumented.pop(0)
                blueprint.register_views_in_doc(self, self._app, self.spec, name=blueprint.name, parameters=None)
                self.spec.tag({"name": blueprint.name, "description": blueprint.description})
            written: dict[str, Any] = self.spec.to_dict()
        return written

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
    return complete(api.to_dict(), app)


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
