"""Which orders a live account takes."""

from __future__ import annotations

from utils.errors import Conflict, FieldError, Refused
from utils.wire import OrderTicket


def check_kind(ticket: OrderTicket) -> None:
    """Refuse what exchanges are not asked for. :raises Refused: `type_not_supported_live` and the like."""
    groups = {"oco": ticket.oco, "take_profit": ticket.take_profit, "stop_loss": ticket.stop_loss}
    if ticket.type not in {"market", "limit"} or any(groups.values()):
        field = next((name for name, leg in groups.items() if leg), "type")
        detail, code = "Live accounts take market and limit orders.", "type_not_supported_live"
    elif ticket.time_in_force == "day":
        field, code = "time_in_force", "time_in_force_not_supported_live"
        detail = "Live accounts take gtc, ioc and fok orders."
    else:
        return
    raise Refused(detail, code=code, errors=(FieldError(field=field, code=code, message=detail),))


def pending() -> Conflict:
    """Return the error for a change of an order whose last one is under way."""
    return Conflict("The order's last change is under way.", code="order_pending", retry_after=1)
