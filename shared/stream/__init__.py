"""The run loop of all services, and what passes through it."""

from shared.stream.partitions import partitions
from shared.stream.records import Arrays, Batch, Input, Outgoing, Stage, Watermarks

__all__ = ["Arrays", "Batch", "Input", "Outgoing", "Stage", "Watermarks", "partitions"]
