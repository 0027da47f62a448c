"""What a setup.py says, read from its syntax tree: it is never run. Called by python_requirements and python_detect.

Literals and names bound to literals at module level are understood; anything computed is left out.
"""

from __future__ import annotations

import ast
from typing import Any

KEYS = frozenset(
    {
        "name",
        "version",
        "install_requires",
        "extras_require",
        "tests_require",
        "python_requires",
        "package_dir",
        "entry_points",
    }
)


def keywords(text: str) -> dict[str, Any]:
    """The literal keyword arguments of the last `setup(...)` call; empty when the file does not parse."""
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    names: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for statement in module.body:
        _bind(statement, names)
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and _called(node.func) == "setup":
            found = {word.arg: _value(word.value, names) for word in node.keywords if word.arg in KEYS}
    return {key: value for key, value in found.items() if value is not None}


def _bind(node: ast.stmt, names: dict[str, Any]) -> None:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        names[node.targets[0].id] = _value(node.value, names)


def _called(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _value(node: ast.expr, names: dict[str, Any], depth: int = 0) -> Any:
    """The literal that `node` stands for, None when it is computed. Lists joined with `+` are understood."""
    if depth > 20:
        return None
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return names.get(name)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [value for item in items if (value := _value(item, names, depth + 1)) is not None]
        case ast.Dict(keys=keys, values=values):
            pairs = [(_value(key, names, depth + 1), value) for key, value in zip(keys, values, strict=True) if key]
            return {key: _value(value, names, depth + 1) for key, value in pairs if isinstance(key, str)}
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined(_value(left, names, depth + 1), _value(right, names, depth + 1))
        case _:
            return None


def _joined(left: Any, right: Any) -> Any:
    if isinstance(left, list) and isinstance(right, list) and len(left) + len(right) <= 1000:
        return left + right
    return None
