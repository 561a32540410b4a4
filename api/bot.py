"""The operator's bot."""

from __future__ import annotations

from api.blueprint import ENGINE, Blueprint
from api.context import origin, principal, services
from api.schemas.bot import BotStatusSchema, NoticedSchema
from services.bot.bot import BotStatus
from services.bot.notices import Noticed

blueprint = Blueprint("bot", "The operator's OctoBot, for admins")


@blueprint.route("/api/bot/status", permission="bot:read")
@blueprint.response(200, BotStatusSchema)
def get_bot_status() -> BotStatus:
    """Return the state of the bot, what it trades, and the last error."""
    return services.bot.status()


@blueprint.route("/api/bot/start", method="POST", permission="bot:write", errors=(409,))
@blueprint.response(202, BotStatusSchema)
def start_bot() -> BotStatus:
    """Start the bot, also one that has failed; it runs again after every restart until it is stopped."""
    return services.bot.move(principal, origin(), "start")


@blueprint.route("/api/bot/stop", method="POST", permission="bot:write", errors=(409,))
@blueprint.response(202, BotStatusSchema)
def stop_bot() -> BotStatus:
    """Stop the bot; its open orders stay at the exchange."""
    return services.bot.move(principal, origin(), "stop")


@blueprint.route("/api/bot/restart", method="POST", permission="bot:write", errors=(409,))
@blueprint.response(202, BotStatusSchema)
def restart_bot() -> BotStatus:
    """Restart the bot's process, which then reads its configuration again."""
    return services.bot.move(principal, origin(), "restart")


@blueprint.route("/api/bot/pause", method="POST", permission="bot:write", errors=(409,))
@blueprint.response(202, BotStatusSchema)
def pause_bot() -> BotStatus:
    """Pause the bot: it keeps running, but creates, changes and cancels no orders; open ones may fill."""
    return services.bot.move(principal, origin(), "pause")


@blueprint.route("/api/bot/resume", method="POST", permission="bot:write", errors=(409,))
@blueprint.response(202, BotStatusSchema)
def resume_bot() -> BotStatus:
    """Let a paused bot trade again."""
    return services.bot.move(principal, origin(), "resume")


@blueprint.route("/api/bot/notify-test", method="POST", permission="bot:write", errors=(409, *ENGINE))
@blueprint.response(200, NoticedSchema)
def test_bot_notifiers() -> Noticed:
    """Send a test through the bot's notifiers, and return which succeeded; 503 names those that failed."""
    return services.bot_notices.test(principal)
