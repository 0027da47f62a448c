"""A Verdict allows or refuses; a refusal carries the sentence that the user reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowed:
    """Nothing speaks against it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It must not happen; `reason` is one sentence for the user."""

    reason: str


Verdict = Allowed | Refused
