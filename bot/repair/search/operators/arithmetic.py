"""Slips in calculations: operators, off by one, operands left out, parentheses left out, a clamp left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bot.repair.search.source import Edit, Source, Span

OPERATORS: dict[type[ast.operator], tuple[str, tuple[str, ...]]] = {
    ast.Add: (r"\+", ("-", "*", "|")),
    ast.Sub: ("-", ("+", "/", "*", "%")),
    ast.Mult: (r"\*", ("/", "+", "**", "//")),
    ast.Div: ("/", ("//", "*", "%", "-")),
    ast.FloorDiv: ("//", ("/", "%", "*")),
    ast.Mod: ("%", ("//", "/", "*")),
    ast.Pow: (r"\*\*", ("*",)),
    ast.LShift: ("<<", (">>",)),
    ast.RShift: (">>", ("<<",)),
    ast.BitAnd: ("&", ("|", "^")),
    ast.BitOr: (r"\|", ("&", "^")),
    ast.BitXor: (r"\^", ("&", "|")),
}
TIGHT = (ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)


def operator(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Another arithmetic operator, in an expression or in `+=` and its kin."""
    if isinstance(node, ast.BinOp):
        words, others = OPERATORS.get(type(node.op), ("", ()))
        span = source.operator(node.left, node.right, words)
    elif isinstance(node, ast.AugAssign):
        words, others = OPERATORS.get(type(node.op), ("", ()))
        span = source.operator(node.target, node.value, words + "(?==)")
        if span:
            yield Edit(span, "", 0.5)
    else:
        return
    for number, other in enumerate(others if span else ()):
        assert span is not None
        yield Edit(span, other, 0.9 - 0.15 * number)


def off_by_one(source: Source, node: ast.AST) -> Iterator[Edit]:
    """One more or one less: a bound, an index, an argument, an operand of a comparison."""
    parent = source.parent(node)
    if not isinstance(node, ast.expr) or not _countable(node, parent):
        return
    span, text = source.span(node), source.text(node)
    if isinstance(node, ast.Constant):
        assert isinstance(node.value, int)
        yield Edit(span, str(node.value + 1), 0.75)
        if node.value > 0 or isinstance(parent, ast.Call | ast.Return | ast.Assign | ast.Slice):
            yield Edit(span, str(node.value - 1), 0.75)
        return
    prior = 0.8 if isinstance(parent, ast.Call | ast.Compare | ast.Subscript | ast.Slice) else 0.5
    for sign in ("-", "+"):
        changed = f"{text if isinstance(node, ast.BinOp) else source.atom(node)} {sign} 1"
        yield Edit(span, changed if isinstance(parent, ast.Subscript | ast.Slice) else source.fit(changed, node), prior)


def one_removed(source: Source, node: ast.AST) -> Iterator[Edit]:
    """An operand too many: `a + b` becomes `a` or `b`."""
    if not isinstance(node, ast.BinOp):
        return
    one = isinstance(node.right, ast.Constant) and node.right.value == 1
    left, right, whole = source.span(node.left), source.span(node.right), source.span(node)
    if whole.end == right.end:
        yield Edit(Span(left.end, right.end), "", 0.8 if one else 0.35)
    yield Edit(whole, source.fit(source.text(node.right), node), 0.25)


def turned(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Operands the wrong way round, where the order matters."""
    if not isinstance(node, ast.BinOp) or isinstance(node.op, ast.Mult):
        return
    left, right = source.span(node.left), source.span(node.right)
    between = source.between(left.end, right.start)
    prior = 0.15 if isinstance(node.op, ast.BitAnd | ast.BitOr | ast.BitXor) else 0.5
    if "(" not in between and ")" not in between:
        yield Edit(Span(left.start, right.end), source.atom(node.right) + between + source.atom(node.left), prior)


def grouped(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Parentheses left out: `a - b * c` becomes `(a - b) * c`, `a * b + c` becomes `a * (b + c)`."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add | ast.Sub | TIGHT[0] | TIGHT[1] | TIGHT[2]):
        return
    whole = source.span(node)
    inner = node.right
    while isinstance(inner, ast.BinOp) and source.span(inner).start > source.span(node.left).end:
        before = source.between(source.span(node.left).end, source.span(inner.left).start)
        if "(" not in before:
            middle = source.span(inner.left).end
            yield Edit(Span(whole.start, middle), f"({source.between(whole.start, middle)})", 0.55)
        inner = inner.left
    if isinstance(node.left, ast.BinOp) and source.span(node.left).start == whole.start:
        split = source.span(node.left.right).start
        if ")" not in source.between(source.span(node.left).end, source.span(node.right).start):
            yield Edit(Span(split, whole.end), f"({source.between(split, whole.end)})", 0.45)


def rounded_up(source: Source, node: ast.AST) -> Iterator[Edit]:
    """A floor division that should round up, a true division that should give a whole number."""
    if not isinstance(node, ast.BinOp):
        return
    span, left, right = source.span(node), source.atom(node.left), source.atom(node.right)
    if isinstance(node.op, ast.FloorDiv):
        yield Edit(span, source.fit(f"-(-{left} // {right})", node), 0.35)
    if isinstance(node.op, ast.Div):
        yield Edit(span, f"int({source.text(node)})", 0.2)
        yield Edit(span, f"round({source.text(node)})", 0.2)


def sign(source: Source, node: ast.AST) -> Iterator[Edit]:
    """A minus too many or one too few."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield Edit(source.span(node), source.text(node.operand), 0.5)
    parent = source.parent(node)
    signless = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.BinOp)
    signless = signless and not isinstance(getattr(node, "ctx", None), ast.Store)
    if signless and isinstance(parent, ast.Return | ast.Assign | ast.keyword):
        yield Edit(source.span(node), f"-{source.atom(node)}", 0.2)


def _countable(node: ast.expr, parent: ast.AST | None) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int) and not isinstance(node.value, bool)
    if not isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.BinOp | ast.Subscript):
        return False
    if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
        return False
    if isinstance(parent, ast.Call):
        return node in parent.args
    if isinstance(parent, ast.Subscript):
        return node is parent.slice
    return isinstance(parent, ast.Compare | ast.Slice | ast.Return | ast.Assign | ast.AugAssign | ast.Tuple)
