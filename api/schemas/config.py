"""Bodies of the configuration."""

from __future__ import annotations

from marshmallow import Schema, fields


class BotConfigSchema(Schema):
    """What OctoBot runs with."""

    octobot_version = fields.String(required=True)
    config = fields.Dict(keys=fields.String(), required=True)


class ConfigurationSchema(Schema):
    """What the installation runs with."""

    api = fields.Dict(keys=fields.String(), required=True)
    bot = fields.Nested(BotConfigSchema, required=True)
