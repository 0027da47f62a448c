"""Whether an edit of a test file weakens it: tests removed, skipped, emptied or loosened. Pure, by the syntax tree.

Called by bot.core.policy.diff. What the tree cannot decide (another language, a changed expectation) is not certain and
makes a draft instead of a refusal.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_NONE: frozenset[str] = frozenset()
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
        moved = _ground_moved(ast.parse(old), ast.parse(new))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield Weakening(f"{path} cannot be compared with its former version", certain=True)
        return
    yield from _module_skips(path, old, new)
    if moved:
        yield Weakening(f"what the tests of {path} stand on (helpers, imports, fixtures) is changed", certain=False)
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
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                if child.name.startswith("test"):
                    found[prefix + child.name] = _shape(child)
            elif isinstance(child, ast.stmt | ast.ExceptHandler):
                # A test below `if`, `try` or `with` is collected like any other.
                pending.append((prefix, child))
    return found


def _ground_moved(old: ast.Module, new: ast.Module) -> bool:
    """Whether anything but tests differs, apart from imports of names that were not there before."""
    before, after = _ground(old), _ground(new)
    names = {node.id for node in ast.walk(old) if isinstance(node, ast.Name)} | {
        n for _, names in before for n in names
    }
    known = Counter(text for text, _ in before)
    fresh = [(text, imported) for text, imported in after if not _taken(known, text)]
    return known.total() > 0 or any(not imported or imported & names for _, imported in fresh)


def _taken(known: Counter[str], text: str) -> bool:
    if known[text] <= 0:
        return False
    known[text] -= 1
    return True


def _ground(tree: ast.Module) -> list[tuple[str, frozenset[str]]]:
    """Every statement of the module and its classes that is no test: its text, and the names that it may bring."""
    found: list[tuple[str, frozenset[str]]] = []
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.ClassDef):
            pending += node.body
            # An empty class is left: its name, bases and decorators. A new one of tests harms none that was there.
            shell = ast.ClassDef(node.name, node.bases, node.keywords, [], node.decorator_list)
            found.append((ast.dump(shell), frozenset({node.name}) if node.name.startswith("Test") else _NONE))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            continue
        else:
            found.append((ast.dump(node), _imported(node)))
    return found


def _imported(node: ast.stmt) -> frozenset[str]:
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return _NONE
    return frozenset((alias.asname or alias.name).partition(".")[0] for alias in node.names)


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
