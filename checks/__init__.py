"""Checks say what tools think of a project; the members stand in one explicit table."""

from collections.abc import Mapping
from types import MappingProxyType

from checks.base import Check
from checks.javascript_lint import ESLint
from checks.javascript_syntax import JavaScriptSyntax
from checks.javascript_types import TypeScript
from checks.mypy import Mypy
from checks.python_syntax import PythonSyntax
from checks.ruff import Ruff

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "syntax": PythonSyntax(),
        "ruff": Ruff(),
        "mypy": Mypy(),
        "javascript-syntax": JavaScriptSyntax(),
        "tsc": TypeScript(),
        "eslint": ESLint(),
    }
)
