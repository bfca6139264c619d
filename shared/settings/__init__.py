"""Settings: environment ``MILLRACE_...`` over ``millrace.toml`` over defaults; read once, in ``__main__``."""

from shared.settings.model import Settings
from shared.settings.names import SettingsError

__all__ = ["Settings", "SettingsError"]
