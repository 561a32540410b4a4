"""The baseline: one Flask route that answers JSON, as small as Flask allows."""

from __future__ import annotations

from flask import Flask, request


def create_app() -> Flask:
    """Build it."""
    app = Flask(__name__)

    @app.get("/health/ready")
    def ready() -> dict[str, bool]:
        return {"success": True}

    @app.get("/bare")
    def read() -> dict[str, object]:
        return {"success": True, "data": {"symbol": "BTC/USDT", "last": "60000.00", "bid": "59999.99"}}

    @app.post("/bare")
    def write() -> dict[str, object]:
        return {"success": True, "data": request.get_json()}

    return app
