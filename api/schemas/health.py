"""Bodies of the health probes."""

from __future__ import annotations

from marshmallow import Schema, fields


class LivenessSchema(Schema):
    """The process answers."""

    status = fields.String(required=True, metadata={"example": "live"})


class ReadinessSchema(Schema):
    """Every part works."""

    database = fields.String(required=True, metadata={"example": "ready"})
    engine = fields.String(required=True, metadata={"example": "ready"})
    feeds = fields.String(required=True, metadata={"example": "ready"})
    streamer = fields.String(required=True, metadata={"example": "ready"})
    worker = fields.String(required=True, metadata={"example": "ready"})
