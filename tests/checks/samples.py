"""Tiny projects that make the tools say every kind of thing. Used by record.py and by the contract test."""

CALC = {
    "calc.py": "import os\n\n\ndef add(a, b):\n    return a - b\n",
    "test_calc.py": "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n\n\n"
    "def test_zero():\n    assert add(0, 0) == 0\n",
}

EVERY_OUTCOME = """import unittest

import pytest


@pytest.mark.parametrize("text", ["plain", "a b", "a::b", "é", "x[1]", "\\n", ""])
def test_parameters(text):
    assert text == "plain"


class TestOuter:
    class TestInner:
        def test_deep(self):
            assert 1 == 2


class Old(unittest.TestCase):
    def test_old(self):
        self.assertEqual(1, 2)

    def test_subtests(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertEqual(number, 0)


@pytest.fixture
def broken():
    raise ValueError("no setup")


def test_setup(broken):
    pass


@pytest.fixture
def late():
    yield
    raise ValueError("no teardown")


def test_teardown(late):
    pass


@pytest.mark.skip
def test_skipped():
    pass


@pytest.mark.xfail
def test_expected_to_fail():
    assert 0


@pytest.mark.xfail
def test_expected_and_passes():
    pass
"""

OUTCOMES = {"tests/unit/test_outcomes.py": EVERY_OUTCOME, "tests/test_ok.py": "def test_ok():\n    pass\n"}

TYPED = {
    "pyproject.toml": '[project]\nname = "typed"\nversion = "1.2"\n'
    '[tool.mypy]\nstrict = true\n[tool.ruff.lint]\nselect = ["B"]\n',
    "src/typed/__init__.py": "def double(x: int) -> int:\n    return str(x)\n\n\ndef loose(x=[]):\n    return x\n",
    "tests/test_typed.py": "import importlib.metadata\nimport typed\n\n\ndef test_version():\n"
    "    assert importlib.metadata.version('typed') == '1.2'\n",
}

BROKEN = {
    "good.py": "x = 1\n",
    "bad.py": "def f(:\n    pass\n",
    "late.py": "return 1\n",
    "bad.json": '{"a": 1,}\n',
    "bad.toml": "a = \n",
    "bad.yml": "a: [1\nb: 2\n",
    "good.yml": "a: &x [1]\nb: *x\n---\nc: !custom 3\n",
    "latin.py": "# -*- coding: latin-1 -*-\n",
}
