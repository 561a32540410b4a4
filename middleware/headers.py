"""Headers that keep browsers from doing harm with an answer."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from flask import Flask, Response

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


def install(app: Flask) -> None:
    """Set each header that the view has not set itself (a page needs another policy than JSON).

    The router builds redirects from the client's `Host`; what is left of them here leads to this host alone.
    """

    @app.after_request
    def protect(response: Response) -> Response:
        # once through them: asking for each name costs as much as everything else here
        given = {name.lower() for name, _ in response.headers}
        for name, value in _HEADERS.items():
            if name.lower() not in given:
                response.headers.add(name, value)
        if response.location is not None:
            place = urlsplit(response.location)
            response.location = urlunsplit(("", "", place.path, place.query, ""))
        return response
