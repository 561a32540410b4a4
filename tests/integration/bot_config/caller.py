"""An administrator who calls, and remembers what was answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from tests.factories import SignedIn


@dataclass
class Caller:
    """Whoever calls; `texts` are all answers, `headers` those of the last one."""

    app: Flask
    client: FlaskClient
    who: SignedIn
    texts: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def raw(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return the answer as it is."""
        answer = self.client.open(path, method=method, json=body, headers={**self.who.headers, **headers})
        self.texts.append(answer.get_data(as_text=True))
        self.headers = dict(answer.headers)
        return answer

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return what a successful answer holds."""
        answer = self.raw(method, path, body, **headers)
        assert answer.status_code < 300, (method, path, answer.get_data(as_text=True))
        return answer.get_json()["data"]

    def headers_of(self, path: str) -> dict[str, str]:
        """Return the headers of a GET."""
        self("GET", path)
        return self.headers
