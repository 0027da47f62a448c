"""Slips in what is named: constants, names, attributes, functions of the same family."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import SequenceMatcher

from bot.repair.search.source import Edit, Function, Source

FAMILIES = (
    ("min", "max"),
    ("any", "all"),
    ("append", "extend", "add", "insert", "appendleft"),
    ("pop", "popleft", "popitem", "remove", "discard"),
    ("startswith", "endswith"),
    ("strip", "lstrip", "rstrip"),
    ("lower", "upper", "title", "capitalize", "casefold"),
    ("keys", "values", "items"),
    ("find", "rfind", "index", "rindex"),
    ("split", "rsplit", "splitlines", "partition", "rpartition"),
    ("union", "intersection", "difference", "symmetric_difference"),
    ("issubset", "issuperset"),
    ("floor", "ceil", "trunc"),
    ("round", "int", "float", "abs"),
    ("list", "tuple", "set", "sorted", "reversed"),
    ("bisect_left", "bisect_right"),
    ("match", "fullmatch", "search"),
    ("ljust", "rjust", "center"),
    ("isdigit", "isalpha", "isalnum", "isnumeric"),
    ("read", "readline", "readlines"),
    ("sum", "len", "max"),
)
SIMPLE: tuple[object, ...] = (0, 1, -1, True, False, None, "")


def constant(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Another simple constant, or one that this file uses elsewhere."""
    if not isinstance(node, ast.Constant) or _is_docstring(source, node):
        return
    span, kind = source.span(node), type(node.value)
    if isinstance(node.value, bool):
        yield Edit(span, str(not node.value), 0.7)
    for other in SIMPLE:
        same = type(other) is kind
        if other != node.value or not same:
            yield Edit(span, repr(other), 0.4 if same else 0.12)
    for text in _used(source, kind, node):
        yield Edit(span, text, 0.3)
    value = node.value
    if isinstance(value, int | float) and value not in (0, 1):
        for factor in (10, 2):
            yield Edit(span, repr(value * factor), 0.15)
            if value % factor == 0:
                yield Edit(span, repr(value // factor), 0.15)


def variable(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Another name of this function for a name that is read, the most similar and the nearest first."""
    if not isinstance(node, ast.Name) or source.text(node) != node.id:
        return
    parent = source.parent(node)
    called = isinstance(parent, ast.Call) and node is parent.func
    others = _functions(source) if called else _locals(source, node)
    prior = _prior(node, parent)
    for other in others:
        if other != node.id:
            yield Edit(source.span(node), other, prior * (0.6 + 0.4 * _alike(other, node.id)))
    for other in _attributes(source, node, "self") if isinstance(node.ctx, ast.Load) else []:
        yield Edit(source.span(node), f"self.{other}", 0.4 if other == node.id else 0.12)


def attribute(source: Source, node: ast.AST) -> Iterator[Edit]:
    """Another attribute that this file reads from the same object, or another object for the same attribute."""
    if not isinstance(node, ast.Attribute):
        return
    end = source.span(node).end
    start = end - len(node.attr.encode())
    if source.between(start, end) != node.attr:
        return
    if isinstance(node.value, ast.Name):
        for other in _attributes(source, node, node.value.id):
            if other != node.attr:
                span = source.span(node)._replace(start=start)
                yield Edit(span, other, 0.35 * (0.6 + 0.4 * _alike(other, node.attr)))


def family(source: Source, node: ast.AST) -> Iterator[Edit]:
    """A function of the same family: min for max, any for all, lstrip for rstrip."""
    if isinstance(node, ast.Name):
        name = node.id
    elif isinstance(node, ast.Attribute):
        name = node.attr
    else:
        return
    end = source.span(node).end
    span = source.span(node)._replace(start=end - len(name.encode()))
    if source.between(*span) != name:
        return
    for members in FAMILIES:
        for other in members if name in members else ():
            if other != name:
                yield Edit(span, other, 0.85 if len(members) == 2 else 0.4)


def _prior(node: ast.Name, parent: ast.AST | None) -> float:
    """A name returned is often the wrong one; a name written to, itself or one of its items, seldom is."""
    if isinstance(parent, ast.Return):
        return 0.8
    written = isinstance(parent, ast.Subscript | ast.Attribute) and isinstance(parent.ctx, ast.Store | ast.Del)
    return 0.3 if written or isinstance(node.ctx, ast.Store) else 0.6


def _is_docstring(source: Source, node: ast.Constant) -> bool:
    return isinstance(source.parent(node), ast.Expr)


def _used(source: Source, kind: type, node: ast.Constant) -> list[str]:
    near = [one for function in source.functions(node)[-1:] for one in ast.walk(function)]
    texts = []
    for one in (*near, *ast.walk(source.tree)):
        same = isinstance(one, ast.Constant) and type(one.value) is kind and not _is_docstring(source, one)
        if same and not source.in_format(one) and source.span(one).end - source.span(one).start < 40:
            texts.append(source.text(one))
    return [text for text in dict.fromkeys(texts) if text != source.text(node)][:12]


def _locals(source: Source, node: ast.Name) -> list[str]:
    functions = source.functions(node)
    if not functions:
        return [name for name in dict.fromkeys(_stored(source.tree)) if name != node.id][:12]
    names: list[str] = []
    for function in functions:
        arguments = function.args
        names += [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        names += _stored(function)
    return list(dict.fromkeys(names))[:30]


def _stored(tree: ast.AST) -> list[str]:
    return [one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)]


def _functions(source: Source) -> list[str]:
    return [one.name for one in source.tree.body if isinstance(one, Function | ast.ClassDef)][:30]


def _attributes(source: Source, node: ast.AST, base: str) -> list[str]:
    """Attributes of the name `base` in the class around `node`, or in the whole file outside of one."""
    scope = next((up for up in source.above(node) if isinstance(up, ast.ClassDef)), source.tree)
    found = (one for one in ast.walk(scope) if isinstance(one, ast.Attribute))
    return list(dict.fromkeys(one.attr for one in found if isinstance(one.value, ast.Name) and one.value.id == base))[
        :20
    ]


def _alike(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()
