"""The configuration of the installation."""

from __future__ import annotations

from api.blueprint import ENGINE, Blueprint
from api.context import services
from api.schemas.config import ConfigurationSchema
from services.configuration import Configuration

blueprint = Blueprint("config", "The configuration of the installation, for admins")


@blueprint.route("/api/config", permission="config:read", errors=ENGINE)
@blueprint.response(200, ConfigurationSchema)
def get_config() -> Configuration:
    """Return the settings of the API and the configuration of the bot, secrets redacted; for admins."""
    return services.configurations.read()
