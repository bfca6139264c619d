"""What services say about data, models and the system: records of monitoring.v1."""

from shared.signals.record import TOPIC, Severity, Signal

__all__ = ["TOPIC", "Severity", "Signal"]
