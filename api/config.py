"""The configuration of the installation, and of the operator's bot."""

from __future__ import annotations

from typing import Any

from api.blueprint import Blueprint
from api.context import origin, principal, services
from api.schemas.config import (
    AppliedConfigSchema,
    BotProfileSchema,
    ConfigChangeSchema,
    ConfigPatchSchema,
    ConfigurationSchema,
    IfMatchHeaders,
    NewBotProfileSchema,
    RestartQuery,
    RollbackSchema,
    TentacleDetailSchema,
    TentacleEditSchema,
    TentacleQuery,
    TentacleSchema,
)
from api.schemas.envelope import PageQuery
from api.schemas.trading import IdempotencyHeaders
from services.bot_config import Applied, Change, ProfileEntry, Request, TentacleEdit, TentacleEntry
from services.bot_config.tentacles import TentacleDetail
from services.operations.configuration import Configuration
from utils.pages import Page

blueprint = Blueprint("config", "The configuration of the installation and of the operator's bot, for admins")

PROFILES = "/api/config/profiles"
TENTACLES = "/api/config/tentacles"
READING = (409, 503)
CHANGING = (409, 412, 503)
TAG = {"ETag": {"$ref": "#/components/headers/ETag"}}
Tags = dict[str, str | None]
Query = dict[str, bool]


def _asked(headers: Tags, query: Query) -> Request:
    return Request(principal=principal, origin=origin(), expected=headers["expected"], restart=query["restart"])


def _tag(version: str) -> dict[str, str]:
    return {"ETag": f'"{version}"'}


@blueprint.route("/api/config", permission="config:read", errors=READING)
@blueprint.response(200, ConfigurationSchema, headers=TAG)
def get_config() -> tuple[Configuration, int, dict[str, str]]:
    """Return the settings of the API and the configuration of the bot, secrets redacted; for admins."""
    configuration = services.configurations.read()
    return configuration, 200, _tag(configuration.bot.version)


@blueprint.route("/api/config", method="PATCH", permission="config:write", errors=CHANGING)
@blueprint.arguments(ConfigPatchSchema)
@blueprint.arguments(RestartQuery, location="query")
@blueprint.arguments(IfMatchHeaders, location="headers")
@blueprint.response(200, AppliedConfigSchema, headers=TAG)
def edit_config(patch: dict[str, Any], query: Query, headers: Tags) -> tuple[Applied, int, dict[str, str]]:
    """Merge a patch into the bot's configuration; refused whole when OctoBot would not start with it. For admins."""
    applied = services.config_changes.edit(_asked(headers, query), patch)
    return applied, 200, _tag(applied.version)


@blueprint.route("/api/config/history", permission="config:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, ConfigChangeSchema, paged=True)
def list_config_changes(query: dict[str, Any]) -> Page[Change]:
    """List who changed what of the bot's configuration, the newest first; without secrets. For admins."""
    return services.config_history.list(**query)


@blueprint.route("/api/config/rollback", method="POST", permission="config:write", errors=(404, *CHANGING))
@blueprint.arguments(RollbackSchema)
@blueprint.arguments(RestartQuery, location="query")
@blueprint.arguments(IfMatchHeaders, location="headers")
@blueprint.response(200, AppliedConfigSchema, headers=TAG)
def roll_config_back(body: dict[str, str], query: Query, headers: Tags) -> tuple[Applied, int, dict[str, str]]:
    """Restore the state after a change, profile and tentacles too, with the present secrets; for admins."""
    applied = services.config_changes.roll_back(_asked(headers, query), body["change_id"])
    return applied, 200, _tag(applied.version)


@blueprint.route(PROFILES, permission="config:read", errors=READING)
@blueprint.response(200, BotProfileSchema, many=True)
def list_profiles() -> list[ProfileEntry]:
    """List the bot's profiles; for admins."""
    return services.config_profiles.list()


@blueprint.route(PROFILES, method="POST", permission="config:write", errors=(404, *READING))
@blueprint.arguments(NewBotProfileSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(201, BotProfileSchema)
def duplicate_profile(body: dict[str, str], headers: Tags) -> ProfileEntry:
    """Duplicate a profile; for admins."""
    request = Request(principal=principal, origin=origin(), key=headers["key"])
    return services.config_profiles.duplicate(request, body["source"], body["name"])


@blueprint.route(f"{PROFILES}/<profile_id>/select", method="POST", permission="config:write", errors=CHANGING)
@blueprint.arguments(RestartQuery, location="query")
@blueprint.arguments(IfMatchHeaders, location="headers")
@blueprint.response(200, AppliedConfigSchema, headers=TAG)
def select_profile(query: Query, headers: Tags, profile_id: str) -> tuple[Applied, int, dict[str, str]]:
    """Let the bot run with a profile from its next start on; for admins."""
    applied = services.config_profiles.select(_asked(headers, query), profile_id)
    return applied, 200, _tag(applied.version)


@blueprint.route(f"{PROFILES}/<profile_id>", method="DELETE", permission="config:write", errors=READING)
@blueprint.response(200, BotProfileSchema)
def delete_profile(profile_id: str) -> ProfileEntry:
    """Delete a profile that is not selected; for admins."""
    return services.config_profiles.delete(Request(principal=principal, origin=origin()), profile_id)


@blueprint.route(TENTACLES, permission="config:read", errors=READING)
@blueprint.arguments(TentacleQuery, location="query")
@blueprint.response(200, TentacleSchema, many=True)
def list_tentacles(query: dict[str, Any]) -> list[TentacleEntry]:
    """List what is installed for the bot: trading modes, evaluators, exchanges and the like; for admins."""
    return services.config_tentacles.list(**query)


@blueprint.route(f"{TENTACLES}/<tentacle_name>", permission="config:read", errors=READING)
@blueprint.response(200, TentacleDetailSchema)
def get_tentacle(tentacle_name: str) -> TentacleDetail:
    """Return a tentacle with its settings, secrets redacted; for admins."""
    return services.config_tentacles.get(tentacle_name)


@blueprint.route(f"{TENTACLES}/<tentacle_name>", method="PATCH", permission="config:write", errors=CHANGING)
@blueprint.arguments(TentacleEditSchema)
@blueprint.arguments(RestartQuery, location="query")
@blueprint.arguments(IfMatchHeaders, location="headers")
@blueprint.response(200, AppliedConfigSchema, headers=TAG)
def edit_tentacle(
    edit: TentacleEdit, query: Query, headers: Tags, tentacle_name: str
) -> tuple[Applied, int, dict[str, str]]:
    """Switch a tentacle on or off in the selected profile, and change its settings; for admins."""
    applied = services.config_tentacles.edit(_asked(headers, query), tentacle_name, edit)
    return applied, 200, _tag(applied.version)
