"""Binance's error bodies: `{"code": -2010, "msg": "…"}` with their HTTP status."""

from __future__ import annotations

from tests.exchanges.protocol import Answer, Refusal

MESSAGES = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1003: "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. Please use WebSocket "
    "Streams for live updates to avoid polling the API.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
    -1015: "Too many new orders; current limit is 100 orders per 10 SECOND.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -1111: "Parameter '{}' has too much precision.",
    -1115: "Invalid timeInForce.",
    -1116: "Invalid orderType.",
    -1117: "Invalid side.",
    -1120: "Invalid interval.",
    -1121: "Invalid symbol.",
    -1125: "This listenKey does not exist.",
    -1131: "recvWindow must be less than 60000.",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
}


def error(code: int, message: str | None = None, status: int = 400) -> Answer:
    """Return an error as Binance writes it."""
    return Answer({"code": code, "msg": message or MESSAGES[code]}, status)


def refuse(code: int, message: str | None = None, status: int = 400) -> Refusal:
    """Return the exception that answers this error."""
    return Refusal(error(code, message, status))
