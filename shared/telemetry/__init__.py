"""Logs, metrics and health of a service."""

from shared.telemetry.logs import start_logs
from shared.telemetry.service import Telemetry

__all__ = ["Telemetry", "start_logs"]
