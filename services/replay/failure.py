"""What keeps a replay from running."""

from __future__ import annotations


class ReplayError(Exception):
    """A history or an option that cannot be; one sentence that says what to change."""
