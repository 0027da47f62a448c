import math

from hypothesis import given
from hypothesis import strategies as st

from bot.repair.search.localise import Ran, Spectrum, ochiai, rank


def ran(test: str, outcome: str, *lines: int, raised: tuple[tuple[str, int], ...] = ()) -> Ran:
    return Ran(test, outcome, 0.0, {"a.py": frozenset(lines)}, raised)


def test_a_line_that_only_failing_tests_run_is_first() -> None:
    seen = Spectrum((ran("one", "failed", 1, 2), ran("two", "passed", 1, 3), ran("three", "passed", 1)))
    scores = rank(seen).scores
    assert scores["a.py", 2] == 1.0
    assert scores["a.py", 1] == 1 / math.sqrt(3)
    assert ("a.py", 3) not in scores


def test_the_traceback_breaks_ties() -> None:
    scores = rank(Spectrum((ran("one", "failed", 1, 2, raised=(("a.py", 2),)),))).scores
    assert scores["a.py", 2] > scores["a.py", 1]


def test_lines_of_the_import_come_behind() -> None:
    seen = Spectrum((ran("one", "failed", 5),), {"a.py": frozenset({1, 5}), "b.py": frozenset({1})})
    scores = rank(seen).scores
    assert 0 < scores["a.py", 1] < scores["a.py", 5]
    assert ("b.py", 1) not in scores


def test_only_passing_tests_cover() -> None:
    seen = Spectrum((ran("one", "failed", 1), ran("two", "passed", 1, 2), ran("three", "passed", 3)))
    assert seen.covering("a.py", range(1, 3)) == {"two"}


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_ochiai_stays_between_nothing_and_one(failed: int, passed: int, others: int) -> None:
    score = ochiai(failed, passed, failed + others)
    assert 0 <= score <= 1
    assert (score == 1) == (failed > 0 and passed == 0 and others == 0)
