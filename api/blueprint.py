"""Routes that declare who may call them, read strictly and answer in one shape."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

import flask
import flask_smorest
from flask import Response, request
from flask_smorest.utils import unpack_tuple_response
from marshmallow import Schema

from api import answers
from api.arguments import OptionalBody, Parser, refused, unknown
from api.schemas.envelope import enveloped
from middleware.permissions import PUBLIC, check_declared
from services.principals import SESSION_ONLY
from utils import json
from utils.pages import Aged

__all__ = ["ENGINE", "PUBLIC", "Blueprint"]

View = Callable[..., Any]

ENGINE = (502, 503, 504)
"""The `errors` of every route that asks the engine."""


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """A resource's routes.

    A view is decorated with `route`, then `arguments` (a body or a query), then `response`; it returns a message, a
    list or a `Page`, alone or as `(data, status, headers)`.
    """

    ARGUMENTS_PARSER = Parser()

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, __name__, description=description)

    def route(
        self,
        *rules: str,
        permission: str | None = None,
        method: str = "GET",
        limit: str | None = None,
        errors: tuple[int, ...] = (),
        takes_ticket: bool = False,
        max_body: int | None = None,
        websocket: bool = False,
    ) -> Callable[[View], View]:
        """Serve a view at `rules`: the first is its path, the others are aliases.

        :param permission: what the caller must hold, `<resource>:<read|write>`, or `PUBLIC`.
        :param limit: the rate limit besides the general one (see `middleware.rate_limits`).
        :param errors: the statuses it may fail with besides what middleware and reading the request answer.
        :param takes_ticket: a stream ticket in the query is as good as a token.
        :param max_body: how many bytes the body may have, instead of `middleware.body.MAX_BODY`.
        :param websocket: it is also there for requests that open a WebSocket.
        :raises TypeError: when no permission, or an unknown one, is declared.
        """

        def decorate(view: View) -> View:
            checked = check_declared(permission, f"{self.name}.{view.__name__}")
            if rules[0].startswith(("/api/", "/ws/")) and not _reads_query(view):
                view = _without_query(view)
            declared: Any = view
            declared.permission = checked
            declared.limit = limit
            declared.takes_ticket = takes_ticket
            declared.errors = errors
            if max_body is not None:
                declared.max_body = max_body
            for number, rule in enumerate(rules):
                endpoint = view.__name__ if number == 0 else f"{view.__name__}_alias{number}"
                self.add_url_rule(rule, endpoint, view, methods=[method])
                if websocket:
                    # a rule of its own, which werkzeug asks for; the other one is for those who do not know
                    flask.Blueprint.add_url_rule(self, rule, endpoint, view, methods=[method], websocket=True)
                document = self._docs[endpoint][method.lower()].setdefault("manual_doc", {})
                document["operationId"] = endpoint
                if permission == PUBLIC:
                    document["security"] = []
                elif checked in SESSION_ONLY:
                    document["security"] = [{"bearer": []}]
            return view

        return decorate

    def doc(self, **document: Any) -> Callable[[View], View]:
        """Add to what the document says of a view."""
        decorate: Callable[[View], View] = super().doc(**document)
        return decorate

    def arguments(self, schema: type[Schema], *, location: str = "json", **options: Any) -> Callable[[View], View]:
        """Load the body (or, with `location="query"`, the query string) and pass it as first argument."""
        # an instance: of a class a new one would be made for every request, which costs more than reading the body
        required = location != "json" or not issubclass(schema, OptionalBody)
        decorate: Callable[[View], View] = super().arguments(schema(), location=location, required=required, **options)
        return decorate

    def response(
        self,
        status: int,
        schema: type[Schema],
        *,
        many: bool = False,
        paged: bool = False,
        aged: bool = False,
        **document: Any,
    ) -> Callable[[View], View]:
        """Answer `{"success": true, "data": …}` with `status`.

        :param schema: what `data` is (of each item when `many` or `paged`); it documents, it does not convert.
        :param paged: the view returns a `Page`.
        :param aged: it returns an `Aged` list or `Page`.
        """
        envelope = enveloped(schema, many=many or paged, paged=paged, aged=aged)
        describe: Callable[[View], View] = self.alt_response(
            status, schema=envelope, description=HTTPStatus(status).phrase, success=True, **document
        )

        def decorate(view: View) -> View:
            @wraps(view)
            def answer(*args: Any, **kwargs: Any) -> Response:
                data, given, headers = unpack_tuple_response(view(*args, **kwargs))
                if isinstance(data, Aged):
                    return answers.aged(data)
                return Response(
                    json.dumps(answers.envelope(data)), given or status, headers=headers, mimetype="application/json"
                )

            return describe(answer)

        return decorate

    def kept(self) -> Callable[[View], View]:
        """Document that a client may keep the `Aged` answer for a while, and ask for it by its `ETag` afterwards."""
        describe: Callable[[View], View] = self.alt_response(
            304, description="What `If-None-Match` names is still the answer.", success=True, headers=answers.KEPT
        )
        return describe

    def unsettled(self, schema: type[Schema], **document: Any) -> Callable[[View], View]:
        """Document that the view may also answer 202 with the same kind of `data`: its outcome is not certain yet."""
        envelope = enveloped(schema, many=False, paged=False, aged=False)
        describe: Callable[[View], View] = self.alt_response(
            202, schema=envelope, description=HTTPStatus.ACCEPTED.phrase, success=True, **document
        )
        return describe


def _reads_query(view: View) -> bool:
    parameters = getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", [])
    return any(parameter["in"] == "query" for parameter in parameters)


def _without_query(view: View) -> View:
    @wraps(view)
    def refuse(*args: Any, **kwargs: Any) -> Any:
        if request.args:
            raise refused(*(unknown(name) for name in request.args))
        return view(*args, **kwargs)

    return refuse
