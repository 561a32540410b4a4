"""Bodies and queries of uploaded candles."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.market import Symbol
from services.data_files.reading import MOST_LEFT_OUT
from services.data_files.service import NewDataFile
from utils.wire import TIMEFRAMES

FORMATS = ("csv", "octobot")


class UploadQuery(Schema):
    """What the uploaded candles are of."""

    name = fields.String(
        load_default="candles",
        validate=validate.Regexp(r"[\w .()+-]{1,100}\Z", error="Use 1 to 100 letters, digits, spaces and _ . ( ) + -"),
        metadata={"description": "What the upload is called, such as the name of the file."},
    )
    symbol = Symbol(
        load_default=None,
        metadata={"description": "The market of a CSV file; of an OctoBot file the only one that is wanted."},
    )
    timeframe = fields.String(
        load_default=None,
        validate=validate.OneOf(tuple(TIMEFRAMES)),
        metadata={"description": "What a CSV file must have; of an OctoBot file the only one that is wanted."},
    )

    @post_load
    def upload(self, values: dict[str, Any], **_: Any) -> NewDataFile:
        """Return what is uploaded."""
        return NewDataFile(**values)


class SeriesSchema(Schema):
    """The candles of one market in one time frame."""

    symbol = fields.String(required=True)
    timeframe = fields.String(required=True, validate=validate.OneOf(tuple(TIMEFRAMES)))
    candles = fields.Integer(required=True)
    missing = fields.Integer(
        required=True, metadata={"description": "Candles in between that are not there; they are played as flat ones."}
    )
    begins_at = fields.DateTime(required=True, data_key="from")
    ends_at = fields.DateTime(required=True, data_key="to")


class DataFileSchema(Schema):
    """Candles that were uploaded."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    format = fields.String(required=True, validate=validate.OneOf(FORMATS))
    series = fields.List(fields.Nested(SeriesSchema), required=True)
    left_out = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": f"Time frames in an OctoBot file that backtests do not have; at most {MOST_LEFT_OUT}."
        },
    )
    size = fields.Integer(required=True, metadata={"description": "In bytes, as it is kept."})
    created_at = fields.DateTime(required=True)
