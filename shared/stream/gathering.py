"""How long records gather before a batch of them is taken."""

from __future__ import annotations

from dataclasses import dataclass

SHARE = 10.0  # of the time that the last batch took, which tells how busy the machine is
PATIENCE = 5.0


@dataclass(slots=True)
class Gathering:
    """Lets records gather after a batch, since a batch costs as much as fifty records.

    A record that comes after a longer pause than that does not wait.

    Parameters
    ----------
    most_seconds
        How long records gather at most, between two batches.
    is_patient
        Whether nobody waits for what comes of them: then they always gather five times as long.

    Examples
    --------
    >>> gathering = Gathering(most_seconds=0.02, is_patient=False)
    >>> gathering.worked(1.0, 1.001)
    >>> round(gathering.seconds_left(1.004), 3), gathering.seconds_left(2.0)
    (0.007, 0.0)
    """

    most_seconds: float
    is_patient: bool
    _due: float = 0.0

    def worked(self, began: float, ended: float) -> None:
        """Take note of when a batch was taken and when it was done, seconds of one clock."""
        gathered = min(SHARE * (ended - began), self.most_seconds)
        self._due = ended + (PATIENCE * self.most_seconds if self.is_patient else gathered)

    def seconds_left(self, now: float) -> float:
        """Return how much longer records gather."""
        return max(self._due - now, 0.0)
