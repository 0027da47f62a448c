"""The kinds of small slips that search undoes. An operator reads one node of a Source and yields Edits."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from bot.repair.search.operators import arithmetic, calls, conditions, statements, values
from bot.repair.search.source import Edit, Source

Operator = Callable[[Source, ast.AST], Iterator[Edit]]

OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "comparison": conditions.comparison,
        "boolean": conditions.boolean,
        "negation": conditions.negation,
        "longer condition": conditions.extended,
        "forced condition": conditions.forced,
        "arithmetic": arithmetic.operator,
        "off by one": arithmetic.off_by_one,
        "operand removed": arithmetic.one_removed,
        "operands exchanged": arithmetic.turned,
        "parentheses": arithmetic.grouped,
        "rounding": arithmetic.rounded_up,
        "sign": arithmetic.sign,
        "constant": values.constant,
        "variable": values.variable,
        "attribute": values.attribute,
        "function of a family": values.family,
        "argument order": calls.argument_order,
        "element order": calls.element_order,
        "receiver": calls.receiver,
        "argument count": calls.argument_count,
        "bounds": calls.bounds,
        "clamp": calls.clamped,
        "call added": calls.wrapped,
        "call removed": calls.unwrapped,
        "return added": statements.returned,
        "missing return": statements.missing_return,
        "assignment": statements.assignment,
        "jump": statements.jump,
        "statement moved": statements.moved,
        "statement removed": statements.deleted,
        "guard": statements.guard,
        "statement added": statements.ingredient,
    }
)
