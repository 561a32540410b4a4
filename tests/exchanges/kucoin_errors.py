"""KuCoin's error bodies: `{"code": "400100", "msg": "…"}`; those about orders come with HTTP 200."""

from __future__ import annotations

from tests.exchanges.protocol import Answer, Refusal

HEADERS = "KC-API-KEY, KC-API-SIGN, KC-API-TIMESTAMP, KC-API-PASSPHRASE"
MESSAGES = {
    "200004": "Balance insufficient!",
    "300000": "The order would match immediately.",
    "400001": f"Please check the header of your request for {HEADERS}",
    "400002": "KC-API-TIMESTAMP Invalid",
    "400003": "KC-API-KEY not exists",
    "400004": "Invalid KC-API-PASSPHRASE",
    "400005": "Invalid KC-API-SIGN",
    "400007": "Access denied, require more permission.",
    "400600": "validation.createOrder.symbolNotAvailable",
    "429000": "Too Many Requests",
    "500000": "Internal Server Error",
    "600100": "Order size increment invalid.",
}
NOT_FOUND = "order not exist."
NOT_CANCELLABLE = "order_not_exist_or_not_allow_to_cancel"


def error(code: str, message: str | None = None, status: int = 200) -> Answer:
    """Return an error as KuCoin writes it."""
    return Answer({"code": code, "msg": message or MESSAGES[code]}, status)


def refuse(code: str, message: str | None = None, status: int = 200) -> Refusal:
    """Return the exception that answers this error."""
    return Refusal(error(code, message, status))
