"""One measured figure and how it is printed; every benchmark module yields these."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A value in `unit`; `ratio` compares with `peer` (same run); `goal` is the sentence to hold against."""

    name: str
    value: float
    unit: str
    goal: str = ""
    ratio: float | None = None
    peer: str = ""

    def line(self, *, as_json: bool) -> str:
        """One line: JSON, or for people."""
        if as_json:
            return json.dumps(asdict(self))
        ratio = "" if self.ratio is None else f"  ({self.ratio:.2f}x of {self.peer})"
        goal = f"  goal: {self.goal}" if self.goal else ""
        return f"{self.name:<44} {self.value:>12.3f} {self.unit}{ratio}{goal}"
