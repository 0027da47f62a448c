"""The agent's tools. Every one of them works inside the sandbox Session: nothing here touches the host.

Arguments come from a model that strangers may have talked to: paths are checked, options cannot be smuggled in, sizes
are bounded. Results are cut in the middle and say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import Field

from bot.core.errors import UserError
from bot.core.patch import check_path
from bot.core.untrusted import Form, clip, sanitise
from bot.repair.agent.schema import Text, Tool, ToolError
from bot.repair.agent.stops import Submitted
from bot.sandbox.protocol import KIB, MIB, WORKSPACE, Reason, Result, Session

RESULT_LIMIT = 10_000
READ_LINES = 250
SEARCH_LINES = 100
RUN_SECONDS = 120.0
_WIDE = 400  # characters of a line that are shown

_PARSE = """import ast, sys
try:
    ast.parse(open(sys.argv[1], "rb").read())
except (SyntaxError, ValueError) as error:
    print(f"line {getattr(error, 'lineno', '?')}: {getattr(error, 'msg', error)}")
    sys.exit(9)
"""

Path_ = Annotated[Text, Field(description="relative to the repository's root", max_length=4096)]


class Toolbox:
    """The tools over one Session. `variables` is the environment of commands, `seconds_left` the allowance's time.

    `edits` counts what `edit` and `write` changed, so that the loop can tell new ground from a circle.
    """

    def __init__(self, session: Session, variables: Mapping[str, str], seconds_left: Callable[[], float]) -> None:
        self._session = session
        self._variables = variables
        self._seconds_left = seconds_left
        self._searcher: str | None = None
        self.edits = 0
        functions = (self.run, self.read, self.search, self.edit, self.write, self.submit)
        self.tools = {tool.name: tool for tool in (Tool.of(function) for function in functions)}

    async def call(self, name: str, arguments: str) -> str:
        """Run one tool with the model's JSON; a wrong call returns its correction.

        Raises Submitted for `submit` and Infrastructure when the sandbox failed.
        """
        try:
            tool = self.tools.get(name)
            if tool is None:
                raise ToolError(f"There is no tool {name[:60]!r}; the tools are {', '.join(self.tools)}.")
            result = await tool.function(**tool.parse(arguments))
        except (ToolError, UserError) as error:
            return f"Error: {error}"
        except FileNotFoundError as error:
            return f"Error: {error or 'no such file'}"
        return sanitise(result, Form.CODE, RESULT_LIMIT + 500)

    async def run(
        self,
        command: Annotated[Text, Field(description="a bash command line", min_length=1, max_length=32 * KIB)],
        timeout: Annotated[int, Field(description="seconds", ge=1, le=600)] = 120,
    ) -> str:
        """Run a command in the repository's root: tests, scripts, anything. No network. State stays in files only."""
        seconds = max(1.0, min(timeout, RUN_SECONDS, self._seconds_left()))
        result = await self._run("bash", "-c", command, seconds=seconds)
        streams = [("", result.stdout.text), ("stderr:\n", result.stderr.text)]
        output = "\n".join(mark + text.rstrip() for mark, text in streams if text.strip())
        hint = "see the rest with head, tail or grep on a file"
        return f"{_ending(result)}\n{clip(output, RESULT_LIMIT, hint) or '(no output)'}"

    async def read(
        self,
        path: Path_,
        start: Annotated[int, Field(description="first line, from 1", ge=1)] = 1,
        end: Annotated[int, Field(description=f"last line; 0 reads {READ_LINES} lines", ge=0)] = 0,
    ) -> str:
        """Read a file with line numbers."""
        path = inside(path)
        lines = _lines(await self._text(path))
        if not lines:
            return f"{path} is empty."
        if start > len(lines):
            raise ToolError(f"{path} has {len(lines)} lines.")
        last = min(len(lines), end or start + READ_LINES - 1)
        more = "" if last >= len(lines) else f"\n[{len(lines) - last} more lines; read on with start={last + 1}]"
        shown = clip(_numbered(lines, start, last), RESULT_LIMIT, "read a smaller range")
        return f"{path}, lines {start} to {last} of {len(lines)}:\n{shown}{more}"

    async def search(
        self,
        pattern: Annotated[Text, Field(description="a regular expression", min_length=1, max_length=1000)],
        path: Annotated[Text, Field(description="a file or folder; empty: everywhere", max_length=4096)] = "",
    ) -> str:
        """Search the files' lines for a regular expression."""
        where = "." if path in ("", ".", "./", WORKSPACE, WORKSPACE + "/") else inside(path)
        result = await self._run(*await self._search_command(), "-e", pattern, "--", where, seconds=30.0)
        lines = [line.removeprefix("./")[:_WIDE] for line in result.stdout.text.splitlines()]
        if not lines:
            if result.stderr.text.strip():
                raise ToolError(f"search: {result.stderr.text.strip().splitlines()[-1][:200]}")
            return f"No line matches {pattern!r} in {where if where != '.' else 'the repository'}."
        more = len(lines) - SEARCH_LINES
        notice = [f"[{more} more lines; narrow the pattern or the path]"] if more > 0 else []
        return clip("\n".join(lines[:SEARCH_LINES] + notice), RESULT_LIMIT, "narrow the pattern or the path")

    async def edit(
        self,
        path: Path_,
        old: Annotated[Text, Field(description="the exact present text, found once in the file", min_length=1)],
        new: Annotated[Text, Field(description="what to put in its place")],
    ) -> str:
        """Replace one exact piece of text in a file. White space counts; line numbers are not part of the text."""
        path = inside(path)
        text = await self._text(path)
        if "\r\n" in text and "\r\n" not in old:
            old, new = old.replace("\n", "\r\n"), new.replace("\n", "\r\n")
        match text.count(old):
            case 0:
                raise ToolError(f"edit: `old` is not in {path}; read the file again and copy the text exactly.")
            case 1:
                pass
            case several:
                raise ToolError(f"edit: `old` is {several} times in {path}; add lines around it until it is unique.")
        if old == new:
            raise ToolError("edit: `old` and `new` are the same.")
        line = text[: text.index(old)].count("\n") + 1
        trouble = await self._store(path, text.replace(old, new, 1))
        lines = _lines(text.replace(old, new, 1))
        around = _numbered(lines, max(1, line - 3), min(len(lines), line + new.count("\n") + 3))
        return f"Edited {path}:\n{clip(around, 2_000)}{trouble}"

    async def write(
        self,
        path: Path_,
        content: Annotated[Text, Field(description="the whole new content", max_length=MIB)],
    ) -> str:
        """Create a file or replace all of it; to change a part, use edit."""
        path = inside(path)
        trouble = await self._store(path, content)
        return f"Wrote {path}: {len(_lines(content))} lines.{trouble}"

    async def submit(
        self,
        summary: Annotated[Text, Field(description="in one or two sentences: what was wrong, what changes")],
    ) -> str:
        """End the work, when the fix is verified or when nothing should change (say why)."""
        raise Submitted(summary)

    async def _run(self, *argv: str, seconds: float) -> Result:
        return await self._session.run(argv, env=self._variables, timeout=seconds)

    async def _text(self, path: str) -> str:
        data = await self._session.read(path, MIB)
        try:
            if b"\0" in data:
                raise ValueError("binary")
            return data.decode()
        except ValueError:
            raise ToolError(f"{path} is not UTF-8 text; look at it with run.") from None

    async def _store(self, path: str, text: str) -> str:
        """Write, check that it is there, and say what a parser thinks of it."""
        data = text.encode()
        if len(data) > MIB:
            raise ToolError(f"{path} would be larger than {MIB:,} bytes.")
        await self._session.write(path, data)
        if await self._session.read(path, MIB) != data:
            raise ToolError(f"{path} could not be written.")
        self.edits += 1
        return await self._syntax(path) if path.endswith(".py") else ""

    async def _syntax(self, path: str) -> str:
        # The sandbox's interpreter is the project's: it knows the syntax of its own version.
        result = await self._run("python3", "-I", "-c", _PARSE, path, seconds=20.0)
        return f"\nSyntax error now in {path}, {result.stdout.text.strip()[:300]}" if result.exit == 9 else ""

    async def _search_command(self) -> tuple[str, ...]:
        if self._searcher is None:
            found = await self._run("sh", "-c", "command -v rg", seconds=10.0)
            self._searcher = "rg" if found.ok else "grep"
        if self._searcher == "rg":
            return ("rg", "-nH", "--no-heading", "--color=never", "--hidden", "--glob=!.git", "--sort=path", "-m50")
        return ("grep", "-rnIEH", "--exclude-dir=.git", "--exclude-dir=__pycache__", "-m50")


def inside(path: str) -> str:
    """The path relative to the repository's root; raises ToolError for one that leads out of it."""
    plain = path.removeprefix(WORKSPACE + "/").removeprefix("./").rstrip("/")
    try:
        check_path(plain)
    except UserError as error:
        raise ToolError(str(error)) from None
    return plain


def _numbered(lines: list[str], start: int, end: int) -> str:
    return "\n".join(f"{number:>5}\t{lines[number - 1][:_WIDE]}" for number in range(start, end + 1))


def _lines(text: str) -> list[str]:
    # Not splitlines, which also splits at form feeds and numbers lines as no editor does.
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if not lines[-1] else lines


def _ending(result: Result) -> str:
    if result.reason in (Reason.OK, Reason.NONZERO) and result.exit is not None:
        return f"exit {result.exit}"
    return f"ended by the sandbox ({result.reason}). {result.detail}".rstrip()
