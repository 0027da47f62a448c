"""The Proof of a Patch: what was shown, claim by claim. Built by bot.run.stages.validate, shown everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class ClaimName(StrEnum):
    """What a Proof may claim; the values are what users read."""

    FAILS_BEFORE = "target fails before"
    PASSES_AFTER = "target passes after"
    NO_NEW_FAILURES = "no new test failures"
    NO_NEW_FINDINGS = "no new findings"
    POLICY_KEPT = "policy kept"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim, whether it held, and the evidence in one line."""

    name: ClaimName
    held: bool
    detail: str


class Strength(StrEnum):
    """What may follow from a Proof (DESIGN.md decision 7)."""

    PROVEN = "proven"  # a ready pull request
    WEAK = "weak"  # a draft: shown only by a test that came with the patch, or nothing failed before
    UNPROVEN = "unproven"  # never published as a fix


@dataclass(frozen=True, slots=True)
class Proof:
    """The claims of one validation and how strong they are together."""

    strength: Strength
    claims: tuple[Claim, ...]

    @property
    def missing(self) -> tuple[Claim, ...]:
        """The claims that did not hold."""
        return tuple(claim for claim in self.claims if not claim.held)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Proof:
        """The inverse of `to_json`."""
        claims = tuple(Claim(ClaimName(c["name"]), bool(c["held"]), str(c["detail"])) for c in data["claims"])
        return cls(Strength(data["strength"]), claims)
