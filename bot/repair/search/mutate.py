"""Small edits at suspicious places, the likeliest first. Pure: from bytes and scores to Mutations."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bot.repair.search.localise import Suspicion
from bot.repair.search.operators import OPERATORS
from bot.repair.search.source import Edit, Function, Source, Span

LEAST_SCORE = 0.02


@dataclass(frozen=True, slots=True)
class Mutation:
    """One candidate: replace the bytes `start` to `end` of `path` by `text`.

    `score` orders candidates, highest first. `function` names the outermost function around the edit and the line on
    which its code object starts, None when the edit is outside of function bodies; `body` are that function's lines.
    """

    operator: str
    path: str
    start: int
    end: int
    text: str
    line: int
    score: float
    doubtful: bool = False
    function: tuple[str, int] | None = None
    body: tuple[int, int] = (0, 0)

    def apply(self, content: bytes) -> bytes:
        """The file with this edit."""
        return content[: self.start] + self.text.encode() + content[self.end :]

    @property
    def size(self) -> int:
        """How much the edit removes and adds, in bytes: smaller is better."""
        return self.end - self.start + len(self.text.encode())


def mutations(sources: Iterable[Source], suspicion: Suspicion, least: float = LEAST_SCORE) -> list[Mutation]:
    """Every distinct edit of a suspicious place, ordered by score, then size, then place; doubtful ones come last."""
    found: dict[tuple[str, int, int, str], Mutation] = {}
    for source in sources:
        for mutation in _of_file(source, suspicion):
            key = _key(source, mutation)
            best, same = found.get(key), key[1] == key[2] and not key[3]
            if not same and mutation.score >= least and (best is None or mutation.score > best.score):
                found[key] = mutation
    return sorted(found.values(), key=lambda one: (one.doubtful, -one.score, one.size, one.path, one.start, one.text))


def valid(source: Source, mutation: Mutation) -> bool:
    """Whether the mutated file still compiles, judged by the top-level statement around the edit.

    The text outside of that statement is untouched, so a statement that compiles alone compiles in its place.
    """
    for node in source.tree.body:
        span = source.span(node)
        start = min([span.start, *(source.span(one).start - 1 for one in getattr(node, "decorator_list", ()))])
        if start <= mutation.start and mutation.end <= span.end:
            shift = len(mutation.text.encode()) - (mutation.end - mutation.start)
            return _compiles(mutation.apply(source.content)[start : span.end + shift])
    return _compiles(mutation.apply(source.content))


def _compiles(content: bytes) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as "is" with a literal: the candidate says so, not we
            compile(content, "<candidate>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _of_file(source: Source, suspicion: Suspicion) -> Iterator[Mutation]:
    for node in ast.walk(source.tree):
        score = _score(source, node, suspicion)
        if score <= 0 or source.in_format(node) or isinstance(node, ast.JoinedStr | ast.FormattedValue):
            continue
        for name, operator in OPERATORS.items():
            for edit in operator(source, node):
                yield _mutation(source, node, name, edit, score)


def _score(source: Source, node: ast.AST, suspicion: Suspicion) -> float:
    """The suspicion of the line a node is on, or of its statement's header when that never shows in a trace."""
    statement = source.statement(node)
    if statement is None:
        return 0.0
    if isinstance(statement, Function) and node is statement:
        return suspicion.most(source.path, statement.body[0].lineno, statement.end_lineno or statement.lineno) * 0.9
    last = getattr(node, "end_lineno", None) or statement.lineno
    own = suspicion.most(source.path, getattr(node, "lineno", statement.lineno), min(last, _header_end(statement)))
    return own or suspicion.most(source.path, statement.lineno, _header_end(statement))


def _header_end(statement: ast.stmt) -> int:
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
        return max(statement.lineno, body[0].lineno - 1)
    return statement.end_lineno or statement.lineno


def _mutation(source: Source, node: ast.AST, name: str, edit: Edit, score: float) -> Mutation:
    functions = source.functions(node)
    around = _around(functions[-1], source, edit.span) if functions else None
    first = min([around.lineno, *(one.lineno for one in around.decorator_list)]) if around else 0
    return Mutation(
        name,
        source.path,
        edit.span.start,
        edit.span.end,
        edit.text,
        source.content.count(b"\n", 0, edit.span.start) + 1,
        score * edit.prior,
        edit.doubtful,
        (around.name, first) if around else None,
        (around.body[0].lineno, around.end_lineno or around.lineno) if around else (0, 0),
    )


def _around(function: Function, source: Source, span: Span) -> Function | None:
    inside = source.span(function.body[0]).start <= span.start and span.end <= source.span(function).end
    return function if inside else None


def _key(source: Source, mutation: Mutation) -> tuple[str, int, int, str]:
    """Two spellings of one result are one candidate: common text at both ends is left out."""
    old, new = source.content[mutation.start : mutation.end], mutation.text.encode()
    head = next(
        (at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new))
    )
    old, new = old[head:], new[head:]
    tail = 0
    while tail < min(len(old), len(new)) and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    start, end = mutation.start + head, mutation.end - tail
    return mutation.path, start, end, new[: len(new) - tail].decode(errors="replace")
