"""Whether an edit of a test file weakens it: tests removed, skipped, emptied or loosened. Pure, by the syntax tree.

Called by bot.core.policy.diff. What the tree cannot decide (another language, a changed expectation) is not certain and
makes a draft instead of a refusal.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_SKIPPERS = {"skip", "skipif", "xfail", "skipTest", "skipIf", "skipUnless", "expectedFailure", "importorskip"}


@dataclass(frozen=True, slots=True)
class Weakening:
    """One way in which the test file became weaker; `certain` when it cannot be an honest edit by a bot."""

    reason: str
    certain: bool


@dataclass(frozen=True, slots=True)
class _Shape:
    asserts: int
    trivial: int
    skips: int
    text: str


def weakenings(path: str, old: bytes, new: bytes) -> Iterator[Weakening]:
    """Compare two versions of the test file at `path`."""
    if not path.endswith(".py"):
        yield Weakening(f"{path} is an existing test file and is changed", certain=False)
        return
    try:
        before, after = _tests(old), _tests(new)
    except (SyntaxError, ValueError, RecursionError):
        yield Weakening(f"{path} cannot be compared with its former version", certain=True)
        return
    yield from _module_skips(path, old, new)
    for name, was in before.items():
        yield from _compare(path, name, was, after.get(name))


def _compare(path: str, name: str, was: _Shape, now: _Shape | None) -> Iterator[Weakening]:
    where = f"{path}::{name}"
    if now is None:
        yield Weakening(f"the test {where} would be removed or renamed", certain=True)
    elif now.skips > was.skips:
        yield Weakening(f"the test {where} would be skipped or expected to fail", certain=True)
    elif now.asserts - now.trivial < was.asserts - was.trivial:
        yield Weakening(f"the test {where} would assert less", certain=True)
    elif now.text != was.text:
        yield Weakening(f"the existing test {where} is changed", certain=False)


def _module_skips(path: str, old: bytes, new: bytes) -> Iterator[Weakening]:
    # `pytestmark = pytest.mark.skip`, `pytest.skip(allow_module_level=True)` and the like stand outside the tests.
    if _skips(ast.parse(new)) > _skips(ast.parse(old)):
        yield Weakening(f"{path} would skip tests that ran before", certain=True)


def _tests(source: bytes) -> dict[str, _Shape]:
    found: dict[str, _Shape] = {}
    pending: list[tuple[str, ast.AST]] = [("", ast.parse(source))]
    while pending:
        prefix, node = pending.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                pending.append((f"{prefix}{child.name}::", child))
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and child.name.startswith("test"):
                found[prefix + child.name] = _shape(child)
    return found


def _shape(node: ast.AST) -> _Shape:
    asserts = [child for child in ast.walk(node) if _is_assertion(child)]
    trivial = sum(isinstance(child, ast.Assert) and isinstance(child.test, ast.Constant) for child in asserts)
    return _Shape(len(asserts), trivial, _skips(node), ast.dump(node))


def _is_assertion(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = _last_name(node.func)
    return name.startswith("assert") or name in {"raises", "warns", "fail"}


def _skips(node: ast.AST) -> int:
    return sum(
        _last_name(child) in _SKIPPERS for child in ast.walk(node) if isinstance(child, ast.Attribute | ast.Name)
    )


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
