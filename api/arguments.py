"""Read what a request brings: strictly, nothing unknown, every fault named by its field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import marshmallow
from flask import Request
from webargs.core import is_json
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import UnsupportedMediaType

from api.schemas.fields import Coded
from utils import json
from utils.errors import FieldError, Malformed, Refused

_CODES = {"Missing data for required field.": "required", "Field may not be null.": "required"}
_UNKNOWN = "Unknown field."
_WHOLE = {"Invalid input type.": "The body must be a JSON object."}
"""What is said of a body that is wrong as a whole."""


class OptionalBody(marshmallow.Schema):
    """A body that may be left out."""


class Parser(FlaskParser):
    """Load bodies, query strings and headers through marshmallow schemas."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": marshmallow.RAISE, "query": marshmallow.RAISE}

    def parse(self, argmap: Any, req: Request | None = None, *, location: str | None = None, **_options: Any) -> Any:
        """Return what the schema `argmap` makes of a location, as webargs does, whose cases are many more than ours.

        :raises Refused: when it finds a fault.
        """
        asked = self.get_default_request() if req is None else req
        where = location or self.location
        try:
            found = self._load_location_data(schema=argmap, req=asked, location=where)
            return argmap.load(found, unknown=self.DEFAULT_UNKNOWN_BY_LOCATION.get(where))
        except marshmallow.ValidationError as error:
            raise refusal(error.messages) from error

    def load_json(self, req: Request, schema: marshmallow.Schema) -> Any:
        """Return the body; none at all is an empty object where the schema is an `OptionalBody`.

        :raises Malformed: when it is not JSON.
        :raises UnsupportedMediaType: when it does not say that it is.
        """
        body = req.get_data(cache=True)
        if not body and isinstance(schema, OptionalBody):
            return {}
        if not body:
            raise Malformed("The body is missing; send a JSON object.", code="malformed_json")
        if not is_json(req.mimetype):
            raise UnsupportedMediaType
        return json.loads(body)

    def load_querystring(self, req: Request, schema: marshmallow.Schema) -> Any:  # noqa: ARG002 - webargs passes it
        """Return the query string.

        :raises Refused: when a value holds NUL, or a parameter comes twice.
        """
        for name, values in req.args.lists():
            if any("\x00" in value for value in values):
                raise refused(FieldError(field=name, code="invalid_text", message="NUL is not text."))
            if len(values) > 1:
                raise refused(FieldError(field=name, code="repeated", message="Give this parameter once."))
        return req.args.to_dict()

    def load_headers(self, req: Request, schema: marshmallow.Schema) -> Any:
        """Return the headers that the schema knows."""
        names = (field.data_key or name for name, field in schema.fields.items())
        return {name: req.headers[name] for name in names if name in req.headers}


def _flatten(messages: Any, path: str) -> Iterator[FieldError]:
    if isinstance(messages, dict):
        for key, value in messages.items():
            yield from _flatten(value, path if key == "_schema" else f"{path}.{key}" if path else str(key))
    elif isinstance(messages, list):
        for message in messages:
            yield from _flatten(message, path)
    else:
        message = messages if path else _WHOLE.get(messages, messages)
        yield FieldError(field=path, code=_code(messages), message=str(message))


def _code(message: str) -> str:
    if isinstance(message, Coded):
        return message.code
    return "unknown_field" if message == _UNKNOWN else _CODES.get(message, "invalid")


def unknown(field: str) -> FieldError:
    """Return the fault of a field that is none of the route's."""
    return FieldError(field=field, code="unknown_field", message=_UNKNOWN)


def refusal(messages: Any) -> Refused:
    """Return the error that tells what a schema found."""
    return refused(*_flatten(messages, ""))


def refused(*errors: FieldError) -> Refused:
    """Return the error that names these faults."""
    first = errors[0]
    return Refused(f"{first.field}: {first.message}" if first.field else first.message, errors=errors)
