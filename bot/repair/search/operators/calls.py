"""Slips in calls and subscripts: order, arguments too many or too few, a call left out or put in, slice bounds."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bot.repair.search.source import Edit, Source, Span

METHODS = ("lower()", "upper()", "strip()", "copy()", "items()", "values()", "keys()")
WRAPPERS = ("sorted", "list", "set", "len", "abs", "int", "str", "sum", "reversed", "tuple", "round")
KEYWORDS = ("reverse=True", "last=False", "key=len", "ensure_ascii=False", "strict=True", "maxsplit=1", "default=None")
FIRST = ("0", "-1", "1")


def argument_order(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Two arguments the wrong way round, neighbours first."""
    if not isinstance(node, ast.Call) or any(isinstance(one, ast.Starred) for one in node.args):
        return
    for first in range(len(node.args)):
        for second in range(first + 1, len(node.args)):
            yield _exchanged(source, node.args[first], node.args[second], 0.7 if second == first + 1 else 0.4)


def element_order(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Two neighbours of a tuple the wrong way round, or the two indexes of `a[x][y]`."""
    if isinstance(node, ast.Tuple):
        for one, other in zip(node.elts, node.elts[1:], strict=False):
            if not isinstance(one, ast.Starred) and not isinstance(other, ast.Starred):
                yield _exchanged(source, one, other, 0.45)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Subscript):
        yield _exchanged(source, node.value.slice, node.slice, 0.7)
    if isinstance(node, ast.IfExp):
        yield _exchanged(source, node.body, node.orelse, 0.6)


def receiver(source: Source, node: ast.AST) -> Iterator[Edit]:
    """The object and the argument of a method call the wrong way round: `a.update(b)` becomes `b.update(a)`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or len(node.args) != 1:
        return
    one, other = node.func.value, node.args[0]
    if isinstance(one, ast.Name | ast.Attribute) and isinstance(other, ast.Name | ast.Attribute):
        yield _exchanged(source, one, other, 0.45)


def argument_count(source: Source, node: ast.AST) -> Iterator[Edit]:
    """An argument too many, or one too few."""
    if not isinstance(node, ast.Call) or any(isinstance(one, ast.GeneratorExp) for one in node.args):
        return
    for number, argument in enumerate(node.args):
        span = source.span(argument)
        if number + 1 < len(node.args):
            yield Edit(Span(span.start, source.span(node.args[number + 1]).start), "", 0.35)
        elif number:
            yield Edit(Span(source.span(node.args[number - 1]).end, span.end), "", 0.35)
    end = source.span(node).end - 1
    if source.between(end, end + 1) != ")" or source.between(end - 1, end) == ",":
        return
    comma = ", " if node.args or node.keywords else ""
    method = isinstance(node.func, ast.Attribute)
    positional = FIRST if not node.keywords and method and not node.args else ()
    for text in (*positional, *(KEYWORDS if method or len(node.args) == 1 else ())):
        yield Edit(Span(end, end), comma + text, 0.3 if text in FIRST else 0.15)


def bounds(source: Source, node: ast.AST) -> Iterator[Edit]:
    """A slice that starts or ends where it should not; a range that runs one too far, or backwards."""
    if isinstance(node, ast.Slice):
        if node.lower and not node.upper:
            yield Edit(source.span(node.lower), "", 0.3)
        for part in (node.lower, node.upper):
            if part and not isinstance(part, ast.Constant):
                yield Edit(source.span(part), "", 0.3)
        if not node.lower and not node.upper and not node.step:
            return
        if not node.lower and node.upper and not node.step:
            text = source.text(node.upper)
            yield Edit(source.span(node), f"{text}:", 0.5)
            yield Edit(source.span(node), f"1:{text}", 0.3)
        if node.lower and not node.upper and not node.step:
            yield Edit(source.span(node), f":{source.text(node.lower)}", 0.5)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range" and node.args:
        yield from _ranges(source, node)


def clamped(source: Source, node: ast.AST) -> Iterator[Edit]:
    """A value that should stay within a bound that this function knows: `min(bound, value)` or `max(...)`."""
    parent = source.parent(node)
    if not isinstance(node, ast.expr) or not isinstance(parent, ast.Assign | ast.Return):
        return
    if isinstance(getattr(node, "ctx", None), ast.Store):
        return
    if isinstance(node, ast.Constant | ast.Tuple | ast.List | ast.Dict | ast.JoinedStr | ast.Compare | ast.BoolOp):
        return
    text = source.text(node)
    for bound in ("0", "1", *_bounds(source, node)):
        for function in ("max", "min"):
            if bound != text:
                yield Edit(source.span(node), f"{function}({bound}, {text})", 0.2)


def wrapped(source: Source, node: ast.AST) -> Iterator[Edit]:
    """A call left out: `x` becomes `x.strip()`, or `sorted(x)`."""
    parent = source.parent(node)
    placed = isinstance(
        parent, ast.Return | ast.Assign | ast.For | ast.Compare | ast.Call | ast.comprehension | ast.BinOp
    )
    if not placed or not isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
        return
    if isinstance(getattr(node, "ctx", None), ast.Store) or (isinstance(parent, ast.Call) and node is parent.func):
        return
    text, span = source.text(node), source.span(node)
    for method in METHODS:
        yield Edit(Span(span.end, span.end), f".{method}", 0.2)
    for function in WRAPPERS:
        yield Edit(span, f"{function}({text})", 0.18)


def unwrapped(source: Source, node: ast.AST) -> Iterator[Edit]:
    """A call too many: `sorted(x)` becomes `x`, `x.strip()` becomes `x`."""
    if not isinstance(node, ast.Call) or isinstance(source.parent(node), ast.Expr):
        return
    if isinstance(node.func, ast.Attribute):
        yield Edit(Span(source.span(node.func.value).end, source.span(node).end), "", 0.3)
    if node.args and not isinstance(node.args[0], ast.Starred | ast.GeneratorExp):
        yield Edit(source.span(node), source.fit(source.atom(node.args[0]), node), 0.25)


def _exchanged(source: Source, one: ast.AST, other: ast.AST, prior: float) -> Edit:
    first, second = source.span(one), source.span(other)
    between = source.between(first.end, second.start)
    return Edit(Span(first.start, second.end), source.text(other) + between + source.text(one), prior)


def _ranges(source: Source, node: ast.Call) -> Iterator[Edit]:
    first, last = source.span(node.args[0]), source.span(node.args[-1])
    whole = Span(first.start, last.end)
    texts = [source.text(one) for one in node.args]
    if len(texts) == 1:
        yield Edit(whole, f"1, {texts[0]}", 0.5)
        yield Edit(whole, f"1, {texts[0]} + 1", 0.6)
        yield Edit(whole, f"{texts[0]} - 1, -1, -1", 0.4)
    if len(texts) == 2:
        yield Edit(whole, texts[1], 0.6)
        yield Edit(whole, f"{texts[1]}, {texts[0]}, -1", 0.4)
        yield Edit(whole, f"{texts[0]} + 1, {texts[1]} + 1", 0.5)
    if len(texts) == 3:
        yield Edit(Span(source.span(node.args[1]).end, last.end), "", 0.4)


def _bounds(source: Source, node: ast.AST) -> list[str]:
    functions = source.functions(node)
    if not functions:
        return []
    names = [one.arg for one in functions[0].args.args if one.arg not in ("self", "cls")]
    scope = next((up for up in source.above(node) if isinstance(up, ast.ClassDef)), functions[0])
    attributes = [source.text(one) for one in ast.walk(scope) if isinstance(one, ast.Attribute)]
    return list(dict.fromkeys([*names, *(text for text in attributes if text.startswith("self."))]))[:12]
