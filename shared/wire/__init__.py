"""Confluent-framed Avro bytes to columns and back."""

from shared.wire.columns import decode_columns, feature_matrix
from shared.wire.fields import Fields, fields
from shared.wire.framing import WireError, schema_id, schema_name
from shared.wire.growth import float_block, grow, long_bytes, source_bytes, sources
from shared.wire.joined import Joined, join
from shared.wire.single import decode, encode
from shared.wire.times import event_times
from shared.wire.values import double_array, long_array, optional_text_bytes, text_array, text_bytes

__all__ = [
    "Fields",
    "Joined",
    "WireError",
    "decode",
    "decode_columns",
    "double_array",
    "encode",
    "event_times",
    "feature_matrix",
    "fields",
    "float_block",
    "grow",
    "join",
    "long_array",
    "long_bytes",
    "optional_text_bytes",
    "schema_id",
    "schema_name",
    "source_bytes",
    "sources",
    "text_array",
    "text_bytes",
]
