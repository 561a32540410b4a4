"""Pages for browsers."""

from __future__ import annotations

from flask import redirect
from werkzeug import Response

from api.blueprint import PUBLIC, Blueprint

blueprint = Blueprint("pages", "What a browser finds")


@blueprint.route("/", permission=PUBLIC)
@blueprint.doc(responses={302: {"description": "To the documentation"}})
def show_start_page() -> Response:
    """Redirect to the documentation."""
    return redirect("/docs")
