"""The agent's tools in the real sandbox, and the schemas that the model sees."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from bot.repair.agent.stops import Submitted
from bot.repair.agent.tools import RESULT_LIMIT, Toolbox
from bot.sandbox.protocol import Session

Call = Callable[..., Any]


@pytest.fixture
def toolbox(session: Session) -> Toolbox:
    return Toolbox(session, {"COLOUR": "blue"}, lambda: 30.0)


@pytest.fixture
def call(toolbox: Toolbox) -> Call:
    async def call(tool: str, **arguments: object) -> str:
        return await toolbox.call(tool, json.dumps(arguments))

    return call


def test_schemas_come_from_the_functions() -> None:
    toolbox = Toolbox(None, {}, lambda: 0.0)  # type: ignore[arg-type]  # no tool is called
    schemas = {name: tool.schema()["function"] for name, tool in toolbox.tools.items()}

    assert list(schemas) == ["run", "read", "search", "edit", "write", "submit"]
    assert schemas["edit"]["parameters"]["required"] == ["path", "old", "new"]
    assert schemas["read"]["parameters"]["properties"]["start"]["default"] == 1
    assert schemas["read"]["description"] == "Read a file with line numbers."
    assert "title" not in json.dumps(schemas)
    assert all(schema["parameters"]["additionalProperties"] is False for schema in schemas.values())


async def test_run_says_how_it_ended_and_what_it_wrote(call: Call) -> None:
    assert await call("run", command="echo $COLOUR; echo oops >&2; exit 3") == "exit 3\nblue\nstderr:\noops"
    assert await call("run", command="true") == "exit 0\n(no output)"


async def test_run_stops_at_its_timeout(call: Call) -> None:
    assert (await call("run", command="sleep 30", timeout=1)).startswith("ended by the sandbox (timeout)")


async def test_long_output_keeps_head_and_tail(call: Call) -> None:
    shown = await call("run", command="seq 1 100000")

    assert len(shown) < RESULT_LIMIT + 600
    assert shown.startswith("exit 0\n1\n2\n")
    assert shown.endswith("100000")
    assert "characters cut" in shown


async def test_read_numbers_lines_and_takes_ranges(call: Call) -> None:
    assert await call("read", path="calc.py") == (
        "calc.py, lines 1 to 2 of 2:\n    1\tdef add(a, b):\n    2\t    return a - b"
    )
    assert (await call("read", path="/workspace/./calc.py", start=2)).endswith(":\n    2\t    return a - b")
    assert await call("read", path="calc.py", start=9) == "Error: calc.py has 2 lines."


async def test_read_shows_a_window_of_long_files(call: Call, session: Session) -> None:
    await session.write("long.txt", b"".join(b"line %d\n" % n for n in range(1, 1001)))
    shown = await call("read", path="long.txt")

    assert "  250\tline 250" in shown
    assert "line 251" not in shown
    assert shown.endswith("[750 more lines; read on with start=251]")


@pytest.mark.parametrize("path", ["nope.py", "pkg/nope.py", "."])
async def test_what_cannot_be_read_is_one_line(call: Call, path: str) -> None:
    shown = await call("read", path=path)

    assert shown.startswith("Error: ")
    assert "\n" not in shown


async def test_binary_files_are_not_shown(call: Call, session: Session) -> None:
    await session.write("x.bin", b"\x00\x01")
    await session.write("y.bin", b"\xff\xfe")

    assert "not UTF-8 text" in await call("read", path="x.bin")
    assert "not UTF-8 text" in await call("read", path="y.bin")


@pytest.mark.parametrize("searcher", ["rg", "grep"])
async def test_search_finds_lines(session: Session, searcher: str) -> None:
    toolbox = Toolbox(session, {}, lambda: 30.0)
    toolbox._searcher = searcher
    if searcher == "rg" and not (await session.run(["sh", "-c", "command -v rg"])).ok:
        pytest.skip("SKIPPED ALOUD: ripgrep is not installed here")

    async def search(**arguments: str) -> str:
        return await toolbox.call("search", json.dumps(arguments))

    assert (await search(pattern=r"def \w+")).splitlines() == [
        "calc.py:1:def add(a, b):",
        "test_calc.py:4:def test_add():",
    ]
    assert await search(pattern="return", path="calc.py") == "calc.py:2:    return a - b"
    assert await search(pattern="nowhere to be") == "No line matches 'nowhere to be' in the repository."
    assert (await search(pattern="(")).startswith("Error: search: ")
    assert (await search(pattern="--version")).startswith("No line")


async def test_edit_replaces_exactly_once(call: Call, session: Session, toolbox: Toolbox) -> None:
    assert "`old` is not in calc.py" in await call("edit", path="calc.py", old="a * b", new="x")
    assert "are the same" in await call("edit", path="calc.py", old="a - b", new="a - b")
    assert toolbox.edits == 0

    assert await call("edit", path="calc.py", old="a - b", new="a + b") == (
        "Edited calc.py:\n    1\tdef add(a, b):\n    2\t    return a + b"
    )
    assert await session.read("calc.py") == b"def add(a, b):\n    return a + b\n"
    assert toolbox.edits == 1


async def test_edit_refuses_ambiguity(call: Call) -> None:
    assert await call("edit", path="calc.py", old="a", new="x") == (
        "Error: edit: `old` is 3 times in calc.py; add lines around it until it is unique."
    )


async def test_edit_keeps_windows_line_ends(call: Call, session: Session) -> None:
    await session.write("dos.txt", b"one\r\ntwo\r\nthree\r\n")
    await call("edit", path="dos.txt", old="one\ntwo", new="1\n2")

    assert await session.read("dos.txt") == b"1\r\n2\r\nthree\r\n"


async def test_a_syntax_error_is_reported_at_once(call: Call) -> None:
    shown = await call("edit", path="calc.py", old="return a - b", new="return (a + b")
    assert shown.endswith("Syntax error now in calc.py, line 2: '(' was never closed")
    assert "Syntax error" not in await call("edit", path="calc.py", old="(a + b", new="(a + b)")
    assert "Syntax error now in new.py, line 1" in await call("write", path="new.py", content="def f(:\n")


async def test_write_makes_folders(call: Call, session: Session) -> None:
    assert await call("write", path="deep/er/x.txt", content="a\nb\n") == "Wrote deep/er/x.txt: 2 lines."
    assert await session.read("deep/er/x.txt") == b"a\nb\n"


async def test_submit_ends_the_work(call: Call) -> None:
    with pytest.raises(Submitted, match="submitted") as caught:
        await call("submit", summary="It subtracted.")

    assert caught.value.summary == "It subtracted."


@pytest.mark.parametrize(
    ("tool", "arguments", "correction"),
    [
        ("read", "{", "read: the arguments are not valid JSON"),
        ("read", "[]", "the arguments are path (string), start (integer, optional), end (integer, optional)"),
        ("read", "", "`path`: Field required"),
        ("read", '{"path": "x", "lines": 3}', "`lines`: Extra inputs are not permitted"),
        ("read", '{"path": 5}', "`path`: Input should be a valid string"),
        ("read", '{"path": "x", "start": 0}', "`start`: Input should be greater than or equal to 1"),
        ("delete", "{}", "There is no tool 'delete'; the tools are run, read, search, edit, write, submit."),
        ("", "{}", "There is no tool ''"),
    ],
)
async def test_wrong_calls_get_one_line(toolbox: Toolbox, tool: str, arguments: str, correction: str) -> None:
    shown = await toolbox.call(tool, arguments)

    assert shown.startswith("Error: ")
    assert correction in shown
    assert "\n" not in shown


async def test_hidden_characters_in_files_are_shown(call: Call, session: Session) -> None:
    await session.write("x.py", "access = 'user\u202e'\n".encode())

    assert "user<U+202E>" in await call("read", path="x.py")
