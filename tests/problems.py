"""What every answer that tells of a failure looks like."""

from __future__ import annotations

from typing import Any

from werkzeug.test import TestResponse

MEMBERS = {
    *("type", "title", "status", "detail", "instance", "error", "message", "code", "details"),
    *("error_code", "request_id", "errors"),
}


def assert_problem(response: TestResponse, status: int, error_code: str) -> dict[str, Any]:
    """Assert the one error body and return it."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.mimetype == "application/problem+json"
    body: dict[str, Any] = response.get_json()
    assert set(body) == MEMBERS
    assert body["error_code"] == error_code, body
    assert body["status"] == body["code"] == status
    assert body["title"] == body["error"]
    assert body["detail"] == body["message"] == body["details"]
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert "Traceback" not in str(body)
    return body


def fields(body: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the fields at fault with their codes."""
    return {(error["field"], error["code"]) for error in body["errors"]}
