"""What a Run must achieve: chosen from the words of the issue and what fails on the base commit. Pure.

The words decide between targets, they never become commands: an issue can at most point at tests and findings that the
base commit has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.core.findings import Finding
from bot.core.run import Baseline, Subject, SubjectKind, Target, TargetKind

# Every repetition is bounded: an issue's text must not be able to make the search take minutes.
_CODE = re.compile(r"`([^`\n]{2,80})`|\b([A-Za-z_][\w.]{0,80})\(|\b(\w{1,80}_\w{1,80}|\w{1,80}\.\w{1,80})\b")
_WORD = re.compile(r"[a-z][a-z0-9]{3,}")
_MOST_TEXT = 20_000
_RULE = re.compile(r"\b[A-Z]{1,4}\d{3,4}\b")
_LINT_WORDS = re.compile(r"(?i)\b(lint|linter|ruff|flake8|mypy|unused import|type check|type error|static check)s?\b")
_COMMON = frozenset(
    [
        "test",
        "tests",
        "this",
        "that",
        "with",
        "when",
        "then",
        "from",
        "have",
        "does",
        "should",
        "must",
        "fail",
        "fails",
        "failing",
        "failed",
        "error",
        "assert",
        "python",
        "returns",
        "return",
        "value",
        "result",
        "wrong",
        "expected",
        "instead",
        "into",
        "only",
        "also",
        "been",
        "issue",
        "function",
        "call",
        "called",
    ]
)


def choose(subject: Subject, baseline: Baseline) -> Target:
    """The target that `subject` points at: findings when it speaks of lint, failing tests whose names it shares."""
    text = f"{subject.title}\n{subject.body}"[:_MOST_TEXT]
    if subject.kind is SubjectKind.LOCAL and not text.strip():
        return _everything(baseline)
    findings = _findings_named(text, baseline.findings)
    tests = _tests_named(text, baseline)
    if tests and not (findings and _LINT_WORDS.search(subject.title)):
        return Target(TargetKind.TESTS, tests=tests)
    if findings:
        return Target(TargetKind.FINDINGS, findings=findings)
    return Target(TargetKind.DESCRIBED)


def _everything(baseline: Baseline) -> Target:
    if baseline.tests.failing:
        return Target(TargetKind.TESTS, tests=tuple(sorted(baseline.tests.failing)))
    if baseline.findings:
        return Target(TargetKind.FINDINGS, findings=baseline.findings)
    return Target(TargetKind.DESCRIBED)


def _findings_named(text: str, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    rules = set(_RULE.findall(text))
    if not rules and not _LINT_WORDS.search(text):
        return ()
    known = list(findings)
    by_rule = [finding for finding in known if finding.rule in rules] if rules else known
    in_paths = [finding for finding in by_rule if finding.path in text]
    return tuple(in_paths or by_rule)


def _tests_named(text: str, baseline: Baseline) -> tuple[str, ...]:
    code, plain = _code_words(text), _plain_words(text)
    scores = {case_id: _score(text, case_id, code, plain) for case_id in sorted(baseline.tests.failing)}
    top = max(scores.values(), default=0)
    # A lone shared everyday word is no pointer; a code-like name (3 points) or two words are.
    return tuple(case_id for case_id, score in scores.items() if score >= max(2, 0.6 * top))


def _score(text: str, case_id: str, code: set[str], plain: set[str]) -> int:
    if case_id in text:
        return 100
    name = case_id.partition("::")[2] or case_id
    # pytest says `Class::test_name[case]`, JavaScript's runners say `describe > name`.
    function = name.rpartition("::")[2].rpartition(" > ")[2].partition("[")[0]
    if re.search(rf"\b{re.escape(function)}\b", text):
        return 50
    parts = {_stem(part) for part in _WORD.findall(name.lower().replace("_", " "))} - _COMMON
    return 3 * len(parts & code) + len((parts & plain) - code)


def _code_words(text: str) -> set[str]:
    names = ("".join(groups) for groups in _CODE.findall(text))
    return {_stem(word) for name in names for word in _WORD.findall(name.lower().replace("_", " "))} - _COMMON


def _plain_words(text: str) -> set[str]:
    return {_stem(word) for word in _WORD.findall(text.lower())} - _COMMON


def _stem(word: str) -> str:
    # Enough to let "durations" meet test_parse_duration; a real stemmer would only add words that mean less.
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
