"""The OpenAPI 3.1 document, generated from routes and schemas."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import flask_smorest
from flask import Flask

from api.schemas.envelope import ProblemSchema
from api.schemas.fields import DecimalString

TITLE = "Trading Backend"
VERSION = "0.1.0"


class Api(flask_smorest.Api):  # type: ignore[misc]
    """Collect the routes of an app into one document; the errors are middleware's."""

    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        pass

    def _register_responses(self) -> None:
        content = {"application/problem+json": {"schema": ProblemSchema}}
        for status in HTTPStatus:
            self.spec.components.response(status.name, {"description": status.phrase, "content": content}, lazy=True)
        problem = {"description": "What went wrong", "content": content}
        self.spec.components.response(self.DEFAULT_ERROR_RESPONSE_NAME, problem, lazy=True)


def install(app: Flask) -> Api:
    """Start an empty document for `app`."""
    options: dict[str, Any] = {
        "security": [{"bearer": []}],
        "title": TITLE,
        "version": VERSION,
        "openapi_version": "3.1.0",
    }
    api = Api(app, spec_kwargs=options)
    api.ma_plugin.converter.add_attribute_function(_decimal_pattern)
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    return api


def _decimal_pattern(_converter: Any, field: Any, **_: Any) -> dict[str, Any]:
    if not isinstance(field, DecimalString):
        return {}
    return {"type": ["string", "null"] if field.allow_none else "string", "format": "decimal", "examples": ["0.5"]}
