"""Put the mutated code into functions that already live, so that nothing has to be imported again."""

from __future__ import annotations

import gc
from types import CodeType, FunctionType


class Cold(Exception):
    """This candidate cannot be swapped in: it needs a fresh import."""


class Living:
    """The functions of the project that live in this process, by the identity of their code."""

    def __init__(self, files: list[str]) -> None:
        wanted = set(files)
        self._functions: dict[int, list[FunctionType]] = {}
        for thing in gc.get_objects():
            if type(thing) is FunctionType and thing.__code__.co_filename in wanted:
                self._functions.setdefault(id(thing.__code__), []).append(thing)

    def swap(self, file: str, source: bytes, name: str, first: int) -> None:
        """Give the function `name` that starts at line `first` of `file` the code that it has in `source`.

        Raises Cold when it does not live or its shape changed, SyntaxError when `source` does not compile.
        """
        fresh = _find(compile(source, file, "exec", dont_inherit=True), name, first)
        old = [functions[0].__code__ for functions in self._functions.values()]
        old = [code for code in old if (code.co_filename, code.co_name, code.co_firstlineno) == (file, name, first)]
        if fresh is None or not old:
            raise Cold
        for code in old:
            self._replace(code, fresh)

    def _replace(self, old: CodeType, fresh: CodeType) -> None:
        if old.co_freevars != fresh.co_freevars:
            raise Cold
        before, after = _inner(old), _inner(fresh)
        for function in self._functions.get(id(old), ()):
            function.__code__ = fresh
        if [code.co_name for code in before] == [code.co_name for code in after]:
            for one, other in zip(before, after):  # noqa: B905 - `strict` is newer than the oldest target Python
                self._replace(one, other)
        elif any(id(code) in self._functions for code in before):
            raise Cold


def _inner(code: CodeType) -> list[CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def _find(code: CodeType, name: str, first: int) -> CodeType | None:
    if (code.co_name, code.co_firstlineno) == (name, first):
        return code
    for inner in _inner(code):
        found = _find(inner, name, first)
        if found is not None:
            return found
    return None
