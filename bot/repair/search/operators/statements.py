"""Slips in what is done: a return left out, a line too many, a line left out, a line in the wrong place."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bot.repair.search.source import Edit, Function, Source, Span

PUTS = {"set": "add", "list": "append"}


def returned(source: Source, node: ast.AST) -> Iterator[Edit]:
    """A result dropped, or another value of the function returned."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.BinOp | ast.Compare):
        start = source.span(node).start
        function = next(iter(source.functions(node)), None)
        if function is None:
            return
        yield Edit(Span(start, start), "return ", 0.5)
        if any(isinstance(one, ast.Yield | ast.YieldFrom) for one in ast.walk(function)):
            yield Edit(Span(start, start), "yield from ", 0.6)
            yield Edit(source.span(node), f"yield {source.text(node.value)}", 0.4)
    if isinstance(node, ast.Return) and node.value is not None:
        for text in ("None", "True", "False", "0", "1", "[]", "''", "{}"):
            yield Edit(source.span(node.value), text, 0.08, doubtful=True)


def missing_return(source: Source, node: ast.AST) -> Iterator[Edit]:
    """A function that falls off its end without returning what it built."""
    if not isinstance(node, Function) or isinstance(node.body[-1], ast.Return | ast.Raise):
        return
    names = _stored(node)
    for name in names[:8]:
        yield _after(source, node.body[-1], f"return {name}", 0.5)


def assignment(source: Source, node: ast.AST) -> Iterator[Edit]:
    """`=` for `+=` and the other way round; a mutable default that all calls share."""
    if (
        isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name | ast.Attribute)
    ):
        span = source.operator(node.targets[0], node.value, "=")
        for other in ("+=", "-=") if span else ():
            assert span is not None
            yield Edit(span, other, 0.35)
    if isinstance(node, Function):
        yield from _mutable_defaults(source, node)


def jump(source: Source, node: ast.AST) -> Iterator[Edit]:
    """`break` for `continue`, and the other way round."""
    if isinstance(node, ast.Break | ast.Continue):
        for other in ("break", "continue", "pass"):
            if other != source.text(node):
                yield Edit(source.span(node), other, 0.5)


def moved(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Two neighbouring statements the wrong way round; a statement one level too deep."""
    above, body = _block(source, node)
    if not isinstance(node, ast.stmt) or not source.indent(node):
        return
    place = body.index(node)
    if place + 1 < len(body) and isinstance(node, ast.Assign | ast.AugAssign | ast.Expr | ast.If):
        following = body[place + 1]
        one, other = source.span(node), source.span(following)
        if source.indent(following):
            text = source.between(*other) + source.between(one.end, other.start) + source.between(*one)
            yield Edit(Span(one.start, other.end), text, 0.35)
    inner = isinstance(above, ast.For | ast.While | ast.If | ast.With) and not getattr(above, "orelse", None)
    if (
        inner
        and place == len(body) - 1
        and place > 0
        and isinstance(above, ast.stmt)
        and node.lineno == node.end_lineno
    ):
        start = source.line_start(node.lineno)
        yield Edit(Span(start, source.span(node).start), source.indent(above), 0.5)


def deleted(source: Source, node: ast.AST) -> Iterator[Edit]:
    """A statement too many. It often passes tests and is seldom right."""
    if isinstance(node, ast.Assign | ast.AugAssign | ast.Expr | ast.If | ast.Raise | ast.Return | ast.For | ast.While):
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not docstring:
            yield Edit(source.span(node), "pass", 0.12, doubtful=True)


def guard(source: Source, node: ast.AST) -> Iterator[Edit]:
    """An early return left out at the start of a function."""
    if not isinstance(node, Function):
        return
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None and len(node.body) > 1 else node.body
    if not body or not source.indent(body[0]):
        return
    arguments = [one.arg for one in (*node.args.posonlyargs, *node.args.args) if one.arg not in ("self", "cls")]
    for name in arguments[:4]:
        for condition in (f"not {name}", f"{name} is None"):
            for value in ("", " []", " 0", " None", f" {name}", " False", " ''", " True", " {}", " 1"):
                inner = source.newline + source.indent(body[0]) + "    "
                yield _before(source, body[0], f"if {condition}:{inner}return{value}", 0.1)


def ingredient(source: Source, node: ast.AST) -> Iterator[Edit]:
    """A line left out that this function has elsewhere, or that puts what it handles into what it collects."""
    functions = source.functions(node)
    if not isinstance(node, ast.stmt) or isinstance(node, Function) or not functions or not source.indent(node):
        return
    place = _before if isinstance(node, ast.Return | ast.Raise | ast.Break | ast.Continue) else _after
    function = functions[0]
    lines = [*_puts(source, function), *_other_lines(source, function, node)]
    for text in dict.fromkeys(lines):
        if text != source.text(node):
            yield place(source, node, text, 0.22)


def _puts(source: Source, function: Function) -> list[str]:
    """`seen.add(item)` for every collection that the function makes and every loop variable that it has."""
    items = [
        one.target.id for one in ast.walk(function) if isinstance(one, ast.For) and isinstance(one.target, ast.Name)
    ]
    items += [one.arg for one in function.args.args if one.arg not in ("self", "cls")]
    found = []
    for one in ast.walk(function):
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
            method = PUTS.get(_collection(one.value))
            found += [f"{one.targets[0].id}.{method}({item})" for item in items if method]
    return found[:12]


def _collection(value: ast.expr) -> str:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id
    return {ast.Set: "set", ast.List: "list"}.get(type(value), "")


def _other_lines(source: Source, function: Function, node: ast.stmt) -> list[str]:
    simple = ast.Assign | ast.AugAssign | ast.Expr | ast.Return | ast.Raise
    found = [one for one in ast.walk(function) if isinstance(one, simple) and one is not node]
    found = [one for one in found if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
    return [source.text(one) for one in found if one.lineno == one.end_lineno][:12]


def _block(source: Source, node: ast.AST) -> tuple[ast.AST | None, list[ast.stmt]]:
    above = source.parent(node)
    for name in ("body", "orelse", "finalbody"):
        block = getattr(above, name, None)
        if isinstance(block, list) and node in block:
            return above, block
    return above, [node] if isinstance(node, ast.stmt) else []


def _stored(function: Function) -> list[str]:
    names = [one.id for one in ast.walk(function) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)]
    return list(dict.fromkeys([*names, *(one.arg for one in function.args.args if one.arg != "self")]))


def _mutable_defaults(source: Source, function: Function) -> Iterator[Edit]:
    arguments, defaults = function.args.args, function.args.defaults
    for argument, default in zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True):
        if isinstance(default, ast.List | ast.Dict | ast.Set) and source.indent(function.body[0]):
            start, body = source.span(default), function.body[0]
            rest = source.between(start.end, source.span(body).start)
            line = f"{argument.arg} = {source.text(default)} if {argument.arg} is None else {argument.arg}"
            text = f"None{rest}{line}{source.newline}{source.indent(body)}"
            yield Edit(Span(start.start, source.span(body).start), text, 0.6)


def _after(source: Source, node: ast.stmt, text: str, prior: float) -> Edit:
    end = source.span(node).end
    indent = source.indent(node) or " " * node.col_offset
    return Edit(Span(end, end), f"{source.newline}{indent}{text}", prior)


def _before(source: Source, node: ast.stmt, text: str, prior: float) -> Edit:
    start = source.span(node).start
    return Edit(Span(start, start), f"{text}{source.newline}{source.indent(node)}", prior)
