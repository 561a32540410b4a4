"""Bodies of the log."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.fields import Count
from api.schemas.market import Moment
from services.operations.logs import LEVELS, LogWanted


class Level(fields.String):
    """How grave something is, in any case."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return super()._deserialize(value, attr, data, **kwargs).strip().upper()


class LogRecordQuery(Schema):
    """Which records of the log are wanted."""

    level = Level(
        validate=validate.OneOf(LEVELS), metadata={"description": "The least grave that is wanted; all when absent."}
    )
    logger = fields.String(
        validate=validate.Length(min=1, max=200),
        metadata={"description": "The name of a logger, such as `engine`; those below it are meant too."},
    )
    since = Moment(metadata={"description": "What was written before is left out."})
    search = fields.String(
        validate=validate.Length(min=1, max=200),
        metadata={"description": "A part of the message, a field, the trace or the process, in any case."},
    )
    limit = Count(load_default=100, validate=validate.Range(min=1, max=1000))

    @post_load
    def build(self, values: dict[str, Any], **_: Any) -> LogWanted:
        """Return the query."""
        return LogWanted(**values)


class LogRecordSchema(Schema):
    """What a process had to say."""

    time = fields.DateTime(required=True)
    level = fields.String(required=True)
    process = fields.String(
        required=True,
        metadata={"description": "`supervisor`, `engine`, `streamer`, `worker`, `backtest`, `bot` or `api`."},
    )
    logger = fields.String(required=True)
    message = fields.String(required=True)
    fields_ = fields.Dict(
        keys=fields.String(),
        required=True,
        attribute="fields",
        data_key="fields",
        metadata={"description": "What was given beside the message, as the `request_id`."},
    )
    trace = fields.String(required=True, allow_none=True)
