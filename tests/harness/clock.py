"""Time under control: real seconds pass, and a test may add as many as it likes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Call it for the present moment, aware UTC."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self._ahead += timedelta(seconds=seconds)
