"""One Python file as bytes and as a tree, with the spans of its nodes: what the operators of `mutate` read.

Spans are byte offsets, because `ast` counts columns in UTF-8 bytes; text between the spans is never touched, so that
formatting and comments stay as they are.
"""

from __future__ import annotations

import ast
import io
import posixpath
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

BOM = b"\xef\xbb\xbf"
ATOMS = (
    ast.Name,
    ast.Call,
    ast.Attribute,
    ast.Subscript,
    ast.List,
    ast.Dict,
    ast.Set,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.JoinedStr,
)
Function = ast.FunctionDef | ast.AsyncFunctionDef
_TEST_FOLDER = re.compile(r"(?:.*[_-])?test(?:s|ing|case|cases)?(?:[_-].*)?", re.IGNORECASE)
_NOT_SOURCE = re.compile(r"(^|/)(\.|venv/|build/|dist/|docs?/|node_modules/|site-packages/)")
_NOT_EDITED = frozenset({"conftest.py", "setup.py", "noxfile.py", "fabfile.py", "tasks.py"})


class Unsupported(Exception):
    """A file that cannot be edited by spans: not UTF-8, not Python of this version, or with odd line ends."""


class Span(NamedTuple):
    """Bytes from `start` up to `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Edit:
    """One proposed replacement of a span. `prior` is how likely such a slip is, 0 to 1.

    `doubtful` marks edits that pass tests for wrong reasons: deletions and conditions that no longer decide anything.
    """

    span: Span
    text: str
    prior: float
    doubtful: bool = False


class Source:
    """A parsed file. Raises Unsupported when its bytes cannot be edited by span."""

    def __init__(self, path: str, content: bytes) -> None:
        self.path, self.content = path, content
        self.tree = _parsed(content)
        self._starts = _line_starts(content)
        self._parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def span(self, node: ast.AST) -> Span:
        """Where `node` (an expression, statement, argument or keyword) stands."""
        assert isinstance(node, ast.expr | ast.stmt | ast.arg | ast.keyword | ast.excepthandler)
        end = self._starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        return Span(self._starts[node.lineno - 1] + node.col_offset, end)

    def text(self, node: ast.AST) -> str:
        """The source text of `node`."""
        return self.between(*self.span(node))

    def between(self, start: int, end: int) -> str:
        """The source text of a span."""
        return self.content[start:end].decode()

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node above, None above the module."""
        return self._parents.get(node)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Every node above, nearest first."""
        while (up := self._parents.get(node)) is not None:
            yield up
            node = up

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """The innermost statement that holds `node`, or `node` itself."""
        return next((one for one in (node, *self.above(node)) if isinstance(one, ast.stmt)), None)

    def functions(self, node: ast.AST) -> list[Function]:
        """The functions around `node`, innermost first, itself included."""
        return [one for one in (node, *self.above(node)) if isinstance(one, Function)]

    def line_start(self, line: int) -> int:
        """The offset of the 1-based `line`."""
        return self._starts[line - 1]

    def line_end(self, line: int) -> int:
        """The offset behind the 1-based `line`, its line end included."""
        return self._starts[line] if line < len(self._starts) else len(self.content)

    def indent(self, statement: ast.stmt) -> str:
        """The white space before `statement`, when it is the first on its line; else an empty string."""
        before = self.between(self.line_start(statement.lineno), self.span(statement).start)
        return before if not before.strip() else ""

    @property
    def newline(self) -> str:
        """The file's line end."""
        return "\r\n" if b"\r\n" in self.content else "\n"

    def operator(self, left: ast.AST, right: ast.AST, words: str) -> Span | None:
        """Where the operator `words` (regular expression) stands between two operands, comments left out."""
        start, end = self.span(left).end, self.span(right).start
        gap = self.content[start:end]
        masked = re.sub(rb"#[^\r\n]*", lambda found: b" " * len(found.group()), gap)
        found = re.search(words.encode(), masked)
        return Span(start + found.start(), start + found.end()) if found else None

    def in_format(self, node: ast.AST) -> bool:
        """Whether `node` stands in an f-string, where positions are not to be trusted before Python 3.12."""
        return any(isinstance(up, ast.JoinedStr) for up in self.above(node))

    def atom(self, node: ast.AST) -> str:
        """The text of `node`, in parentheses when it needs them as an operand."""
        text = self.text(node)
        plain = isinstance(node, ATOMS) or (isinstance(node, ast.Constant) and "\n" not in text)
        return text if plain else f"({text})"

    def fit(self, text: str, node: ast.AST) -> str:
        """`text`, an expression that is no atom, made fit for the place where `node` stands."""
        parent = self.parent(node)
        loose = isinstance(parent, ast.Return | ast.Assign | ast.AugAssign | ast.keyword | ast.If | ast.While)
        loose = loose or (isinstance(parent, ast.Call) and node is not parent.func)
        return text if loose and "\n" not in text else f"({text})"


def editable(path: str, test_roots: Sequence[str]) -> bool:
    """Whether a fixer may edit `path`: the project's own source, never a test, a fixture or a build script."""
    name, folders = posixpath.basename(path), posixpath.dirname(path).split("/")
    if name in _NOT_EDITED or name.startswith("test_") or name.endswith("_test.py") or _NOT_SOURCE.search(path):
        return False
    if any(_TEST_FOLDER.fullmatch(folder) for folder in folders):
        return False
    return not any(root not in (".", "") and path.startswith(f"{root.rstrip('/')}/") for root in test_roots)


def _parsed(content: bytes) -> ast.Module:
    if re.search(rb"\r(?!\n)|\f", content) or content.startswith(BOM):
        raise Unsupported("line ends or a byte order mark that positions do not count")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        if encoding != "utf-8":
            raise Unsupported(f"its encoding is {encoding}")
        return ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unsupported(f"it does not parse: {error}") from None


def _line_starts(content: bytes) -> list[int]:
    return [0, *(found.end() for found in re.finditer(rb"\n", content))]
