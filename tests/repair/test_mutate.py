import ast
import io
import tokenize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.repair.search.localise import Suspicion
from bot.repair.search.mutate import Mutation, mutations, valid
from bot.repair.search.source import Source, Unsupported, editable
from tests.repair.corpus import DEVELOPED, HELD_OUT, Program

EVERYWHERE = {("code.py", line): 1.0 for line in range(1, 200)}
PROGRAMS = st.sampled_from(DEVELOPED + HELD_OUT)
WORDS = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters="\\"), max_size=12
)


def candidates(content: bytes) -> tuple[Source, list[Mutation]]:
    source = Source("code.py", content)
    return source, mutations([source], Suspicion(EVERYWHERE))


def found(before: str, after: str) -> bool:
    source, all_of_them = candidates(before.encode())
    wanted = ast.dump(ast.parse(after))
    return any(ast.dump(ast.parse(one.apply(source.content))) == wanted for one in all_of_them if valid(source, one))


@given(PROGRAMS, WORDS)
@settings(max_examples=12, deadline=None)
def test_valid_means_that_the_whole_file_compiles(program: Program, word: str) -> None:
    source, all_of_them = candidates(f"# {word}\n{program.source}# {word}".encode())
    for mutation in all_of_them[::7]:
        assert valid(source, mutation) == compiles(mutation.apply(source.content)), mutation


@given(PROGRAMS, st.sampled_from(["ä", "δ", "中", "\N{MUSICAL SYMBOL G CLEF}"]))
@settings(max_examples=12, deadline=None)
def test_offsets_do_not_depend_on_how_many_bytes_a_letter_has(program: Program, letter: str) -> None:
    """The same file with a wide letter before everything on each line has the same candidates."""
    narrow = wide_lines(program.source, "x")
    wide = wide_lines(program.source, letter)
    one, ones = candidates(narrow.encode())
    other, others = candidates(wide.encode())
    results = {mutation.apply(one.content).decode().replace("'x'", f"'{letter}'") for mutation in ones}
    assert results == {mutation.apply(other.content).decode() for mutation in others}


@given(PROGRAMS)
@settings(max_examples=12, deadline=None)
def test_edits_start_and_end_between_tokens(program: Program) -> None:
    source, all_of_them = candidates(program.source.encode())
    edges = token_edges(source.content)
    for mutation in all_of_them:
        assert {mutation.start, mutation.end} <= edges, mutation
        assert mutation.apply(source.content) != source.content


def wide_lines(text: str, letter: str) -> str:
    """Every call and subscript gets a literal with the letter in front of what follows on its line."""
    return text.replace("return ", f"return '{letter}' and ").replace("for item in ", f"for item in '{letter}' and ")


def compiles(content: bytes) -> bool:
    try:
        compile(content, "code.py", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def token_edges(content: bytes) -> set[int]:
    starts = [0]
    for line in content.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = content.decode().splitlines()
    edges = set(starts)
    for token in tokenize.tokenize(io.BytesIO(content).readline):
        for row, column in (token.start, token.end):
            if 0 < row <= len(lines):
                edges.add(starts[row - 1] + len(lines[row - 1][:column].encode()))
    # An operator such as `+=` is one token, and its `+` may be taken out.
    return edges | {at + 1 for at in edges}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("if a < b: pass", "if a <= b: pass"),
        ("if a is not None: pass", "if a is None: pass"),
        ("if x not  in y: pass", "if x in y: pass"),
        ("x = (a  # a < b\n  > b)", "x = (a  # a < b\n  < b)"),
        ("x = a + b", "x = a - b"),
        ("x += 1", "x -= 1"),
        ("x **= 2", "x *= 2"),
        ("x = a and b", "x = a or b"),
        ("def f(n):\n    for i in range(n): g(i)", "def f(n):\n    for i in range(1, n + 1): g(i)"),
        ("x = a[0]", "x = a[1]"),
        ("x = a[i]", "x = a[i + 1]"),
        ("x = f(a, b)", "x = f(b, a)"),
        ("x = a[i][j]", "x = a[j][i]"),
        ("x = min(a, b)", "x = max(a, b)"),
        ("x = any(a)", "x = all(a)"),
        ("x = a - b * c", "x = (a - b) * c"),
        ("x = a * b + c", "x = a * (b + c)"),
        ("def f(a, b):\n    return a", "def f(a, b):\n    return b"),
        ("def f(a):\n    b = a\n    b.sort()", "def f(a):\n    b = a\n    b.sort()\n    return b"),
        ("def f(a):\n    g(a)", "def f(a):\n    return g(a)"),
        ("def f(a):\n    if a: pass", "def f(a):\n    if not a: pass"),
        ("def f(a):\n    if not a: pass", "def f(a):\n    if a is None: pass"),
        ("x = y[:n]", "x = y[n:]"),
        ("for i in a:\n    break", "for i in a:\n    continue"),
        ("def f(a, b=[]):\n    return b", "def f(a, b=None):\n    b = [] if b is None else b\n    return b"),
        (
            "def f(a):\n    for i in a:\n        x = i\n        return x",
            "def f(a):\n    for i in a:\n        x = i\n    return x",
        ),
        ("x = True", "x = False"),
        ("x = a if b else c", "x = c if b else a"),
    ],
)
def test_each_kind_of_slip_is_undone(before: str, after: str) -> None:
    assert found(before, after)


def test_windows_line_ends_stay() -> None:
    source, all_of_them = candidates(b"def f(a):\r\n    b = []\r\n    b.append(a)\r\n")
    added = [one.apply(source.content) for one in all_of_them if one.operator == "missing return"]
    assert b"def f(a):\r\n    b = []\r\n    b.append(a)\r\n    return b\r\n" in added


@pytest.mark.parametrize(
    "content", [b"x = 'caf\xe9'", b"# coding: latin-1\nx = 1", b"def", b"\xef\xbb\xbfx = 1", b"x = 1\ry = 2", b"\x00"]
)
def test_what_positions_do_not_fit_is_refused(content: bytes) -> None:
    with pytest.raises(Unsupported):
        Source("code.py", content)


def test_removing_code_ranks_last_and_is_doubtful() -> None:
    _, all_of_them = candidates(DEVELOPED[0].source.encode())
    doubtful = [place for place, one in enumerate(all_of_them) if one.doubtful]
    assert doubtful
    assert min(doubtful) > len(all_of_them) // 2


@pytest.mark.parametrize(
    ("path", "may"),
    [
        ("calc.py", True),
        ("src/shop/contest.py", True),
        ("src/attest/latest.py", True),
        ("tests/helper.py", False),
        ("python_testcases/node.py", False),
        ("pkg/test_a.py", False),
        ("pkg/a_test.py", False),
        ("conftest.py", False),
        ("setup.py", False),
        (".venv/lib/a.py", False),
        ("checks/inside.py", False),
    ],
)
def test_only_the_projects_own_source_is_edited(path: str, may: bool) -> None:
    assert editable(path, ("checks",)) is may
