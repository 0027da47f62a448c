import tomllib

import pytest

from bot.repair.dependencies import DISTRIBUTIONS, add, missing_modules


def test_modules_are_read_from_the_failure() -> None:
    text = "ModuleNotFoundError: No module named 'yaml'\nModuleNotFoundError: No module named 'a.b'"
    assert missing_modules(text) == ("yaml", "a")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "PyYAML\n"),
        ("requests", "requests\nPyYAML\n"),
        ("requests==2\n# more\n", "requests==2\n# more\nPyYAML\n"),
        ("pyyaml>=6\n", None),
    ],
)
def test_requirements_get_a_line(before: str, after: str | None) -> None:
    assert add("requirements.txt", before, "PyYAML") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[project]\ndependencies = []\n", '[project]\ndependencies = ["PyYAML"]\n'),
        ('[project]\ndependencies = ["a"] # x\n', '[project]\ndependencies = ["a", "PyYAML"] # x\n'),
        (
            '[project]\ndependencies = [\n  "a[b]", # ]\n]\n',
            '[project]\ndependencies = [\n  "a[b]", # ]\n  "PyYAML",\n]\n',
        ),
        (
            '[project]\ndependencies = [\n  "a" # b, c\n]\nx = 1\n',
            '[project]\ndependencies = [\n  "a", # b, c\n  "PyYAML",\n]\nx = 1\n',
        ),
        (
            '[tool.poetry.dependencies]\npython = "*"\n\n[a]\n',
            '[tool.poetry.dependencies]\npython = "*"\nPyYAML = "*"\n\n[a]\n',
        ),
        ('[project]\nname = "x"\n', None),
        ('[project]\ndependencies = ["pyyaml"]\n', None),
        ("[project\n", None),
    ],
)
def test_pyproject_gets_an_entry_and_nothing_else_changes(before: str, after: str | None) -> None:
    assert add("pyproject.toml", before, "PyYAML") == after
    if after:
        tomllib.loads(after)


def test_other_manifests_are_left_alone() -> None:
    assert add("setup.cfg", "[options]\ninstall_requires =\n", "PyYAML") is None


def test_a_name_that_nobody_knows_has_no_distribution() -> None:
    assert DISTRIBUTIONS["yaml"] == "PyYAML"
    assert "internal_tools" not in DISTRIBUTIONS
