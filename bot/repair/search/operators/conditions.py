"""Slips in what decides: comparisons, and/or/not, conditions that say too much or too little."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bot.repair.search.source import Edit, Source, Span

COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">", ">=", "!=", "==")),
    ast.LtE: ("<=", ("<", ">=", ">", "==")),
    ast.Gt: (">", (">=", "<", "<=", "!=", "==")),
    ast.GtE: (">=", (">", "<=", "<", "==")),
    ast.Eq: ("==", ("!=", "<=", ">=", "in")),
    ast.NotEq: ("!=", ("==", "<", ">", "not in")),
    ast.Is: ("is", ("is not", "==")),
    ast.IsNot: (r"is\s+not", ("is", "!=")),
    ast.In: ("in", ("not in", "==")),
    ast.NotIn: (r"not\s+in", ("in", "!=")),
}
KINDS = ({"==", "in"}, {"!=", "not in"}, {"in", "=="}, {r"not\s+in", "!="}, {"is", "=="}, {r"is\s+not", "!="})
TESTS = ast.If | ast.While | ast.IfExp | ast.Assert


def comparison(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Another comparison operator, the likeliest slip first."""
    if not isinstance(node, ast.Compare):
        return
    operands = [node.left, *node.comparators]
    for left, operator, right in zip(operands, node.ops, node.comparators, strict=False):
        words, others = COMPARISONS[type(operator)]
        span = source.operator(left, right, words)
        for number, other in enumerate(others if span else ()):
            assert span is not None
            # Membership and equality compare different kinds of things: that slip is rare, and passes by accident.
            rare = {words, other} in KINDS
            yield Edit(span, other, 0.25 if rare else 1.0 - 0.1 * number)


def boolean(source: Source, node: ast.AST) -> Iterator[Edit]:
    """`and` for `or` and the other way round, one operator or all of them; one operand left out."""
    if not isinstance(node, ast.BoolOp):
        return
    word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    for left, right in zip(node.values, node.values[1:], strict=False):
        span = source.operator(left, right, rf"\b{word}\b")
        if span:
            yield Edit(span, other, 0.8)
    for number, dropped in enumerate(node.values):
        kept = node.values[number + 1] if number + 1 < len(node.values) else None
        end = source.span(kept).start if kept else source.span(dropped).end
        start = source.span(dropped).start if kept else source.span(node.values[number - 1]).end
        yield Edit(Span(start, end), "", 0.4, doubtful=True)


def negation(source: Source, node: ast.AST) -> Iterator[Edit]:
    """A `not` too many or one too few; truth asked for where None is meant."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        operand = source.atom(node.operand)
        yield Edit(source.span(node), source.text(node.operand), 0.7)
        yield Edit(source.span(node), source.fit(f"{operand} is None", node), 0.65)
    for condition in _conditions(node):
        text = source.text(condition)
        if not (isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not)):
            yield Edit(source.span(condition), f"not {source.atom(condition)}", 0.6)
        if isinstance(condition, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
            yield Edit(source.span(condition), f"{text} is not None", 0.5)


def extended(source: Source, node: ast.AST) -> Iterator[Edit]:
    """One more condition: a value of this function that must be there, or must not."""
    functions = source.functions(node)
    if not isinstance(node, ast.If | ast.While) or not functions:
        return
    span, test = source.span(node.test), source.atom(node.test)
    arguments = functions[0].args
    for name in [argument.arg for argument in (*arguments.posonlyargs, *arguments.args) if argument.arg != "self"]:
        if isinstance(node.test, ast.Name) and node.test.id == name:
            continue
        for text in (f"{name} and {test}", f"not {name} or {test}", f"{test} and not {name}"):
            yield Edit(span, text, 0.25)
    for other in _other_conditions(source, functions[0], node):
        yield Edit(span, f"{test} and {other}", 0.2)
        yield Edit(span, f"{test} or {other}", 0.2)


def forced(source: Source, node: ast.AST) -> Iterator[Edit]:
    """A condition that always or never holds: it often passes tests and is seldom right."""
    for condition in _conditions(node):
        if not isinstance(condition, ast.Constant):
            yield Edit(source.span(condition), "True", 0.12, doubtful=True)
            yield Edit(source.span(condition), "False", 0.12, doubtful=True)


def _conditions(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, TESTS):
        return [node.test]
    if isinstance(node, ast.comprehension):
        return list(node.ifs)
    return list(node.values) if isinstance(node, ast.BoolOp) else []


def _other_conditions(source: Source, function: ast.AST, node: ast.If | ast.While) -> list[str]:
    found = [one.test for one in ast.walk(function) if isinstance(one, ast.If | ast.While) and one is not node]
    return sorted({source.atom(test) for test in found if not isinstance(test, ast.Constant)})[:6]
