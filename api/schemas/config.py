"""Bodies of the configuration."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from marshmallow import EXCLUDE, Schema, fields, post_load, validate

from api.schemas.fields import NAME
from services.bot_config import TentacleEdit
from services.bot_config.history import Action

NAMES = validate.Regexp(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z", error="Use the name of a class.")

MEMBERS = (
    *("profile", "exchanges", "crypto-currencies", "trading", "trader", "trader-simulator", "distribution"),
    *("services", "notification", "backtesting", "data-collector", "watched_symbols", "metrics", "community"),
    *("community-token", "accepted_terms", "SAVE_EVALUATIONS", "DEBUG", "DEV-MODE"),
)
"""What OctoBot's schemas of its configuration and of profiles know."""


class BotConfigurationSchema(Schema):
    """What the operator's bot runs with, as OctoBot makes it of its configuration and the selected profile."""

    octobot_version = fields.String(required=True, allow_none=True, metadata={"description": "Null: nobody can tell."})
    version = fields.String(required=True, metadata={"description": "Names this state; the `ETag` of the answer."})
    config = fields.Dict(keys=fields.String(), required=True)


class ConfigurationSchema(Schema):
    """What the installation runs with."""

    api = fields.Dict(keys=fields.String(), required=True)
    bot = fields.Nested(BotConfigurationSchema, required=True)


class ConfigPatchSchema(Schema):
    """A JSON merge patch (RFC 7396) of `bot.config`: members are replaced, null removes one.

    `[redacted]` where a secret is leaves it as it is. Exchange keys are encrypted as OctoBot does it.
    """

    class Meta:
        """Members have the names that OctoBot gives them, which are none in Python."""

        include = {name: fields.Raw(allow_none=True) for name in MEMBERS}


class RestartQuery(Schema):
    """What else is to be done."""

    restart = fields.Boolean(
        load_default=False, metadata={"description": "Restart the bot, if it runs, so that it goes by the change."}
    )


class IfMatchHeaders(Schema):
    """What the caller goes by."""

    class Meta:
        """Leave the other headers alone."""

        unknown = EXCLUDE

    expected = fields.String(
        data_key="If-Match",
        load_default=None,
        validate=validate.Regexp(r'(\*|"[\x21\x23-\x7e]{1,64}")\Z', error="Use an ETag, in its quotes, or *."),
        metadata={"description": "The `ETag` that was read; when it is another one by now, nothing is changed."},
    )

    @post_load
    def version(self, values: dict[str, str | None], **_: Any) -> dict[str, str | None]:
        """Return the version without its quotes."""
        tag = values["expected"]
        return {"expected": None if tag in {None, "*"} else str(tag).strip('"')}


class ConfigAuthorSchema(Schema):
    """Who changed it."""

    id = fields.String(required=True)
    username = fields.String(required=True)


class ConfigDifferenceSchema(Schema):
    """What was done at one place; secrets are redacted."""

    op = fields.String(required=True, validate=validate.OneOf(["add", "remove", "replace"]))
    path = fields.String(
        required=True, metadata={"description": "A JSON pointer that begins with /config, /tentacles or /settings."}
    )
    before = fields.Raw(required=True, allow_none=True)
    after = fields.Raw(required=True, allow_none=True)


class ConfigChangeSchema(Schema):
    """A change of the configuration."""

    id = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    author = fields.Nested(
        ConfigAuthorSchema,
        required=True,
        allow_none=True,
        metadata={"description": "Null: not through the API, but by OctoBot itself or by hand."},
    )
    action = fields.String(
        required=True,
        validate=validate.OneOf(get_args(Action)),
        metadata={"description": "`found`: what there was before the first change."},
    )
    profile = fields.String(required=True)
    version = fields.String(required=True)
    changes = fields.List(fields.Nested(ConfigDifferenceSchema), required=True)


class AppliedConfigSchema(Schema):
    """What came of a change."""

    version = fields.String(required=True)
    config = fields.Dict(keys=fields.String(), required=True)
    change = fields.Nested(
        ConfigChangeSchema, required=True, allow_none=True, metadata={"description": "Null: all was so already."}
    )
    missing_secrets = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Secrets of the state that was rolled back to which are there no more."},
    )
    restart_required = fields.Boolean(
        required=True,
        metadata={
            "description": "The bot runs, and goes by the change after its next start. Until then parts of OctoBot "
            "that save their configuration write it as it was when it started, and may undo the change: restart it at "
            "once where that matters, as when a real trader is switched off."
        },
    )
    restarted = fields.Boolean(required=True, metadata={"description": "The bot is starting anew with the change."})


class RollbackSchema(Schema):
    """Where to go back to."""

    change_id = fields.String(
        required=True,
        validate=validate.Length(min=1, max=36),
        metadata={"description": "The `id` of a change in the history: what it led to is brought back."},
    )


class BotProfileSchema(Schema):
    """A profile of the bot."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True, allow_none=True)
    is_selected = fields.Boolean(required=True)
    is_read_only = fields.Boolean(required=True)
    trades_live = fields.Boolean(required=True)
    exchanges = fields.List(fields.String(), required=True)
    trading_modes = fields.List(fields.String(), required=True)


class NewBotProfileSchema(Schema):
    """A profile to make like another one."""

    source = fields.String(
        required=True, validate=validate.Length(min=1, max=256), metadata={"description": "The `id` of a profile."}
    )
    name = fields.String(required=True, validate=NAME)


class TentacleQuery(Schema):
    """Which tentacles are wanted."""

    type = fields.String(
        validate=validate.Length(min=1, max=64),
        metadata={"description": "Such as `Trading/Mode`, or its first words, `Trading`."},
    )
    is_active = fields.Boolean()


class TentacleSchema(Schema):
    """A class that OctoBot can load."""

    name = fields.String(required=True)
    module = fields.String(required=True)
    type = fields.String(required=True)
    version = fields.String(required=True)
    package = fields.String(required=True)
    is_active = fields.Boolean(required=True)
    has_own_settings = fields.Boolean(required=True)


class TentacleDetailSchema(TentacleSchema):
    """A class with its settings."""

    description = fields.String(required=True)
    settings = fields.Dict(keys=fields.String(), required=True)
    defaults = fields.Dict(keys=fields.String(), required=True)
    schema = fields.Dict(
        keys=fields.String(),
        required=True,
        allow_none=True,
        metadata={"description": "The JSON Schema of its settings; null when nobody tells one."},
    )
    schema_source = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf(["module", "code"]),
        metadata={"description": "`module`: a file of its module; `code`: the inputs that its code declares."},
    )


class TentacleEditSchema(Schema):
    """What to change."""

    is_active = fields.Boolean(
        metadata={"description": "A trading mode that is switched on takes the place of the one that was."}
    )
    settings = fields.Dict(
        keys=fields.String(),
        allow_none=True,
        metadata={"description": "A JSON merge patch of the settings; null brings the defaults back."},
    )

    @post_load
    def build(self, values: dict[str, Any], **_: Any) -> TentacleEdit:
        """Return the edit."""
        unset = {"is_active": msgspec.UNSET, "settings": msgspec.UNSET}
        return TentacleEdit(**{**unset, **values})
