"""What the agent knows before its first step: the issue, the target, the project, the files, what failed before.

All that strangers wrote goes through bot.core.untrusted into a fence whose nonce they cannot know. Called by fixer.py.
"""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Iterable

from bot.core.errors import UserError
from bot.core.findings import Finding
from bot.core.patch import Patch
from bot.core.run import Plan, Subject
from bot.core.untrusted import Form, fenced
from bot.repair.agent import prompts
from bot.repair.base import Rejected, Task
from bot.sandbox.protocol import KIB, MIB, Session

INSTRUCTIONS = (
    "AGENTS.md",
    "CLAUDE.md",
    "CONTRIBUTING.md",
    ".github/CONTRIBUTING.md",
    ".github/copilot-instructions.md",
)
_ISSUE, _MESSAGE, _FILES, _INSTRUCTION, _DIFF = 12_000, 3_000, 8_000, 5_000, 4_000
_DIFFABLE = 200_000  # characters: difflib's time grows with their square
_MOST_TESTS, _MOST_FINDINGS, _MOST_FILES, _MOST_REJECTED = 10, 30, 400, 3


async def build(task: Task, session: Session, nonce: str = "") -> str:
    """The first message to the model. `session` must still be the untouched base tree."""
    nonce = nonce or secrets.token_hex(8)
    parts = [
        _issue(task.subject, nonce),
        _target(task.plan, nonce),
        f"# The project\n{prompts.project_facts(task.project)}",
        fenced("list of files", await _files(session), nonce, Form.CODE, _FILES),
        *[
            fenced(f"repository instructions, {path}", text, nonce, limit=_INSTRUCTION)
            for path, text in await _instructions(session)
        ],
        *[await _rejected(rejected, session, nonce) for rejected in task.rejected[-_MOST_REJECTED:]],
    ]
    return "\n\n".join(part for part in parts if part)


def _issue(subject: Subject, nonce: str) -> str:
    author = f"Author: {subject.author}\n" if subject.author else ""
    text = f"Title: {subject.title}\n{author}\n{subject.body}".strip()
    return f"# The issue\n{fenced('issue', text, nonce, limit=_ISSUE)}"


def _target(plan: Plan, nonce: str) -> str:
    target = plan.target
    parts = [f"# What to achieve\n{prompts.goal(target.kind)}"]
    if target.tests:
        parts.append(fenced("failing tests", _failures(plan), nonce, Form.CODE, _MESSAGE * _MOST_TESTS))
    if target.findings:
        parts.append(fenced("findings", _findings(target.findings), nonce, Form.CODE))
    return "\n".join(parts)


def _failures(plan: Plan) -> str:
    tests = plan.target.tests
    shown = []
    for test in tests[:_MOST_TESTS]:
        case = plan.baseline.tests.case(test)
        shown.append(f"{test}\n{case.message[:_MESSAGE] if case else ''}".rstrip())
    shown += [f"... and {len(tests) - _MOST_TESTS} more"] if len(tests) > _MOST_TESTS else []
    return "\n\n".join(shown)


def _findings(findings: Iterable[Finding]) -> str:
    return "\n".join(f"{f.path}:{f.line} {f.check} {f.rule}: {f.message}" for f in [*findings][:_MOST_FINDINGS])


async def _files(session: Session) -> str:
    files = await session.list(max_entries=10_000)
    shown = files[:_MOST_FILES]
    return "\n".join([*shown, *([f"... and {len(files) - len(shown)} more"] if len(files) > len(shown) else [])])


async def _instructions(session: Session) -> list[tuple[str, str]]:
    found = []
    for path in INSTRUCTIONS:
        text = await _text(session, path, 256 * KIB)
        if text and text.strip():
            found.append((path, text))
    return found


async def _rejected(rejected: Rejected, session: Session, nonce: str) -> str:
    missing = rejected.proof.missing
    head = prompts.rejected(rejected.fixer.value, ", ".join(claim.name.value for claim in missing) or "not proven")
    evidence = "\n".join(f"{claim.name.value}: {claim.detail}" for claim in missing)
    text = evidence + "\n\n" + await _diff(rejected.patch, session)
    return f"# A refused patch\n{head}\n{fenced('refused patch', text, nonce, Form.CODE, _DIFF)}"


async def _diff(patch: Patch, session: Session) -> str:
    lines: list[str] = []
    for change in patch.changes:
        before = await _text(session, change.path, MIB) or ""
        after = (change.content or b"").decode(errors="replace")
        if len(before) + len(after) > _DIFFABLE:
            lines.append(f"{change.path}: {len(before)} characters became {len(after)}")
            continue
        old, new = before.splitlines(), after.splitlines()
        lines += difflib.unified_diff(old, new, change.path, change.path, lineterm="", n=2)
    return "\n".join(lines)


async def _text(session: Session, path: str, most: int) -> str | None:
    try:
        return (await session.read(path, most)).decode(errors="replace")
    except (FileNotFoundError, UserError):
        return None
