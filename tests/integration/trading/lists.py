"""Reading lists over HTTP."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from tests.factories import SignedIn

TRADES = ["/api/trading/trades", "/api/trades/history"]


def ids(client: FlaskClient, user: SignedIn, path: str, **query: Any) -> list[str]:
    response = client.get(path, query_string=query, headers=user.headers)
    assert response.status_code == 200, response.get_json()
    return [row["id"] for row in response.get_json()["data"]]
