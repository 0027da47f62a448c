"""Where the fault may be: lines ranked by which tests ran them. Pure; `evaluate` takes the spectrum in the sandbox."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

RAISED_BONUS = 0.15  # a line that the failure's traceback names is looked at before its equals
IMPORT_SHARE = 0.4  # a line that ran at import was run by every test and by none
Lines = Mapping[str, frozenset[int]]


@dataclass(frozen=True, slots=True)
class Ran:
    """One traced test: how it ended (`passed`, `failed`, `skipped`, `missing`), seconds, and the lines it ran by path.

    `raised` are the project's lines in the failure's traceback, outermost first.
    """

    test: str
    outcome: str
    seconds: float = 0.0
    lines: Lines = field(default_factory=lambda: MappingProxyType({}))
    raised: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Spectrum:
    """What a traced run showed: the tests, and the lines that ran while they were imported."""

    tests: tuple[Ran, ...] = ()
    imported: Lines = field(default_factory=lambda: MappingProxyType({}))

    def covering(self, path: str, lines: range | None = None) -> frozenset[str]:
        """Ids of the passing tests that ran one of `lines` of `path`, or any line of it."""
        passing = ((ran.test, ran.lines.get(path, frozenset())) for ran in self.tests if ran.outcome == "passed")
        return frozenset(test for test, ran in passing if (any(line in lines for line in ran) if lines else ran))


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How suspicious the lines of the project are: 0 to a little over 1, by path and 1-based line."""

    scores: Mapping[tuple[str, int], float] = field(default_factory=lambda: MappingProxyType({}))

    def most(self, path: str, first: int, last: int) -> float:
        """The highest score among the lines `first` to `last`."""
        return max((self.scores.get((path, line), 0.0) for line in range(first, last + 1)), default=0.0)

    @property
    def paths(self) -> tuple[str, ...]:
        """Files with a suspicious line, the most suspicious first."""
        best: dict[str, float] = {}
        for (path, _), score in self.scores.items():
            best[path] = max(score, best.get(path, 0.0))
        return tuple(sorted(best, key=lambda path: (-best[path], path)))


def ochiai(failed: int, passed: int, all_failed: int) -> float:
    """The Ochiai coefficient of a line run by `failed` failing and `passed` passing tests.

    failed / sqrt(all_failed * (failed + passed)): Abreu, Zoeteweij, van Gemund, "An Evaluation of Similarity
    Coefficients for Software Fault Localization", 2006.
    """
    if not failed or not all_failed:
        return 0.0
    return failed / math.sqrt(all_failed * (failed + passed))


def rank(spectrum: Spectrum) -> Suspicion:
    """Score every line that a failing test ran, and, lower, what ran at import in the same files."""
    failing = [ran for ran in spectrum.tests if ran.outcome == "failed"]
    failed, passed = _counts(failing), _counts(ran for ran in spectrum.tests if ran.outcome == "passed")
    scores = {place: ochiai(count, passed.get(place, 0), len(failing)) for place, count in failed.items()}
    for place in {place for ran in failing for place in ran.raised}:
        scores[place] = scores.get(place, 0.0) + RAISED_BONUS
    for path in {path for path, _ in scores}:
        most = max(score for (other, _), score in scores.items() if other == path)
        for line in spectrum.imported.get(path, frozenset()):
            scores.setdefault((path, line), most * IMPORT_SHARE)
    return Suspicion(MappingProxyType(scores))


def _counts(tests: Iterable[Ran]) -> dict[tuple[str, int], int]:
    counts: dict[tuple[str, int], int] = {}
    for ran in tests:
        for path, lines in ran.lines.items():
            for line in lines:
                counts[path, line] = counts.get((path, line), 0) + 1
    return counts
