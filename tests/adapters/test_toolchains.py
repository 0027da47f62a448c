"""The Python toolchain: what it reads out of every kind of manifest, and what it installs in the real sandbox."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from bot.core.errors import Retry, UserError
from bot.sandbox.bubblewrap import Bubblewrap
from bot.toolchains import detect, python_pip, python_poetry, toolchains
from bot.toolchains.base import Project
from bot.toolchains.files import TreeReader
from bot.toolchains.python import PythonToolchain
from bot.toolchains.python_detect import Plan, plan
from bot.toolchains.python_interpreters import Interpreter, available, choose
from bot.toolchains.python_wheel import metadata_wheel
from bot.toolchains.store import EnvironmentStore
from tests.checks.lab import Lab

SERIES = tuple(Interpreter(Path(f"/usr/bin/python3.{minor}"), (3, minor)) for minor in (13, 11, 9))
CODE = {"pkg/__init__.py": ""}


def planned(root: Path, files: Mapping[str, str]) -> Plan:
    for path, text in {**CODE, **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    found = plan(TreeReader(root), SERIES)
    assert found is not None
    return found


def asked(found: Plan) -> set[str]:
    return {str(Requirement(line)) for line in found.requirements}


MANIFESTS: dict[str, tuple[dict[str, str], set[str]]] = {
    "nothing": ({}, set()),
    "PEP 621, extras that name the project, groups that include": (
        {
            "pyproject.toml": '[project]\nname = "Pkg"\ndependencies = ["attrs>=21", "pkg[docs]"]\n'
            '[project.optional-dependencies]\ntest = ["pytest-mock"]\ndev = ["pkg[test]", "black"]\ndocs = ["sphinx"]\n'
            '[dependency-groups]\ndev = [{include-group = "Lint"}, "hypothesis"]\nlint = ["ruff"]\nwww = ["flask"]\n'
        },
        {"attrs>=21", "pytest-mock", "black", "hypothesis", "ruff"},
    ),
    "poetry": (
        {
            "pyproject.toml": '[tool.poetry]\nname = "pkg"\n[tool.poetry.dependencies]\npython = "^3.9"\n'
            'attrs = "^21.1"\n'
            'rich = {version = "~13.2", extras = ["jupyter"], optional = true}\nlocal = {path = "../local"}\n'
            '[tool.poetry.group.test.dependencies]\npytest = ">=7"\n'
            '[tool.poetry.group.docs.dependencies]\nsphinx = "*"\n'
            '[tool.poetry.dev-dependencies]\nblack = "*"\n'
        },
        {"attrs<22,>=21.1", "pytest>=7", "black"},
    ),
    "setup.cfg": (
        {
            "setup.cfg": "[metadata]\nname = pkg\n[options]\ninstall_requires =\n"
            "    attrs>=21  # why\n    toml; python_version<'3.11'\n"
            "[options.extras_require]\ntests =\n    pytest-mock\ndocs = sphinx\n"
        },
        {"attrs>=21", 'toml; python_version < "3.11"', "pytest-mock"},
    ),
    "setup.py": (
        {
            "setup.py": "from setuptools import setup\nBASE = ['attrs']\nraise SystemExit('never run')\n"
            "setup(name='pkg', install_requires=BASE + ['toml>1'], extras_require={'test': ['mock']},\n"
            "      tests_require=open('x'))\n"
        },
        {"attrs", "toml>1", "mock"},
    ),
    "requirements files": (
        {
            "requirements.txt": "--index-url https://evil.example/simple\n"
            "attrs==21.1 \\\n  --hash=sha256:00\n-e .\n./vendored\n",
            "requirements/test.txt": "-r ../base.txt\n-c limits.txt\n# note\nmock  # why\n",
            "base.txt": "toml\n-r requirements/test.txt\n",
            "requirements/limits.txt": "toml<2\n",
            "requirements/docs.txt": "sphinx\n",
        },
        {"attrs==21.1", "mock", "toml"},
    ),
    "Pipfile": (
        {"Pipfile": '[packages]\nattrs = "==21.1"\n[dev-packages]\nmock = {version = "*", extras = ["build"]}\n'},
        {"attrs==21.1", "mock[build]"},
    ),
    "a manifest one folder down": (
        {"backend/pyproject.toml": '[project]\nname = "b"\ndependencies = ["attrs"]\n'},
        {"attrs"},
    ),
    "plugins that the configuration needs": (
        {"pytest.ini": "[pytest]\naddopts = --cov=pkg -n auto\nasyncio_mode = auto\n"},
        {"pytest-cov", "pytest-xdist", "pytest-asyncio"},
    ),
    "local and odd requirements": (
        {"pyproject.toml": '[project]\nname = "pkg"\ndependencies = ["a @ file:///etc", "not valid!", 7, "attrs"]\n'},
        {"attrs"},
    ),
}


@pytest.mark.parametrize("name", list(MANIFESTS))
def test_manifests(name: str, tmp_path: Path) -> None:
    files, wanted = MANIFESTS[name]
    assert asked(planned(tmp_path, files)) == wanted


@pytest.mark.parametrize(
    ("constraint", "specifier"),
    [
        ("*", ""), ("^1.2.3", ">=1.2.3,<2"), ("^1.2", ">=1.2,<2"), ("^1", ">=1,<2"), ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"), ("^0.0", ">=0.0,<0.1"), ("^0", ">=0,<1"), ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1.2", ">=1.2,<1.3"), ("~1", ">=1,<2"), ("1.2.*", "==1.2.*"), ("1.2.3", "==1.2.3"), ("=1.2", "==1.2"),
        (">=1, <2", ">=1,<2"), (">=1 <2", ">=1,<2"), (">= 1.4", ">=1.4"), ("~=1.4.2", "~=1.4.2"), ("!=1.5", "!=1.5"),
        ("^1.2 || ^3.0", ">=1.2,<4"), ("<2 || >3", ""), ("^2.0b1", ">=2.0b1,<3"), ("==1.0", "==1.0"),
    ],
)  # fmt: skip
def test_poetry_constraints(constraint: str, specifier: str) -> None:
    assert python_poetry.specifier(constraint) == specifier


@pytest.mark.parametrize("constraint", ["^", "^a.b", "latest", "1.2,,|", ">=1 and <2"])
def test_what_is_no_constraint(constraint: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        python_poetry.specifier(constraint)


def test_poetry_tables() -> None:
    several = [{"version": "<2", "python": "<3.8"}, {"version": "^2.1", "markers": "sys_platform == 'linux'"}]
    assert python_poetry.requirements("a", several) == [
        "a <2 ; python_full_version < '3.8'", "a >=2.1,<3 ; (sys_platform == 'linux')",
    ]  # fmt: skip
    git = {"git": "https://example.org/a.git", "tag": "v1"}
    assert python_poetry.requirements("a", git) == ["a @ git+https://example.org/a.git@v1"]
    assert python_poetry.requirements("a", {"path": "../a"}) == []


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"pyproject.toml": "[project\n"}, "pyproject.toml is not valid TOML"),
        ({"setup.cfg": "[options\nx"}, "setup.cfg is not a valid INI file"),
        ({"requirements.txt": "what is this?\n"}, "requirements.txt holds a line that is no requirement"),
        ({"pyproject.toml": "x = 1\n" * 60_000}, "larger than"),
        (
            {"pyproject.toml": '[project]\nrequires-python = ">=3.14"\n'},
            "asks for Python >=3.14, and this machine has 3.13, 3.11",
        ),
        ({"pyproject.toml": '[project]\nrequires-python = "new"\n'}, "no version specifier"),
        ({".python-version": "3.8\n"}, "asks for Python 3.8"),
        ({"pyproject.toml": '[tool.poetry.dependencies]\nattrs = "^new"\n'}, "in a way that cannot be read"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(files: dict[str, str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        planned(tmp_path, files)
    assert "\n" not in str(caught.value)


def test_links_and_odd_types_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "setup.cfg")
    found = planned(tmp_path, {"pyproject.toml": "project = 3\n[tool]\nruff = 1\npoetry = [1]\nmypy = {files = 3}\n"})
    assert found.requirements == ()
    assert found.project.manifests == ("pyproject.toml",)


@pytest.mark.parametrize(
    ("asks", "preferred", "chosen"),
    [
        ([], "", "3.13"), ([">=3.8"], "", "3.13"), ([">=3.8,<3.12"], "", "3.11"), (["~=3.9.5"], "", "3.9"),
        ([">=3.11.4"], "3.11", "3.11"), ([">=3.8"], "3.12", "3.13"), ([], "3.9", "3.9"),
        ([">=3.9", "<3.11"], "", "3.9"),
    ],
)  # fmt: skip
def test_interpreters(asks: list[str], preferred: str, chosen: str) -> None:
    assert choose(asks, preferred, SERIES).label == chosen


def test_this_machine_has_an_interpreter() -> None:
    assert available()


def test_layouts_and_configured_tools(tmp_path: Path) -> None:
    project = planned(
        tmp_path,
        {
            "src/pkg/a.py": "", "lib/b.py": "", "tests/unit/test_a.py": "", "test_root.py": "", "docs/conf.py": "",
            "pyproject.toml": '[tool.setuptools.packages.find]\nwhere = ["lib"]\n[tool.black]\n', "ruff.toml": "",
            "setup.cfg": "[mypy]\nfiles = src\n", "tox.ini": "[pytest]\n",
        },
    ).project  # fmt: skip
    assert project.source_roots == ("lib", "src", ".")
    assert project.test_roots == ("test_root.py", "tests")
    assert project.configures == {"ruff", "mypy", "mypy-files", "black", "pytest"}


def test_test_paths_that_are_named(tmp_path: Path) -> None:
    files = {"pytest.ini": "[pytest]\ntestpaths = checks gone\n", "checks/test_a.py": "", "tests/test_b.py": ""}
    assert planned(tmp_path, files).project.test_roots == ("checks",)


def test_the_key_is_what_gets_installed(tmp_path: Path) -> None:
    manifest = '[project]\nname = "pkg"\ndependencies = ["attrs"]\n'
    first = planned(tmp_path, {"pyproject.toml": manifest}).project.key
    assert planned(tmp_path, {"pyproject.toml": manifest + "[tool.ruff]\n", "more.py": "x = 1\n"}).project.key == first
    lock = '[[package]]\nname = "attrs"\nversion = "21.1.0"\n\n[[package]]\nname = "pkg"\nversion = "0.1"\n'
    locked = planned(tmp_path, {"uv.lock": lock})
    assert locked.project.key != first
    assert "attrs==21.1.0" in locked.constraints


def test_pytest_is_pinned_unless_the_project_names_it(tmp_path: Path) -> None:
    assert any(line.startswith("pytest==") for line in planned(tmp_path, {}).tools)
    assert planned(tmp_path, {"requirements.txt": "PyTest<8\n"}).tools == ()


def test_a_tree_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text("package main")
    members = toolchains(Bubblewrap(tmp_path / "state"), tmp_path / "cache")
    with pytest.raises(UserError, match="no project that Fettle knows"):
        detect(members, tmp_path)


def test_includes_do_not_leave_the_tree(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-r ../../etc/passwd\n-r /etc/passwd\nattrs\n")
    assert python_pip.read(TreeReader(tmp_path), "requirements.txt", python_pip.Parsed()).requirements == ["attrs"]


def test_metadata_wheels_are_reproducible_and_refuse_odd_names() -> None:
    points = {"console_scripts": {"run": "pkg:main", "bad\n[x]": "y"}, "bad]": {"a": "b"}}
    first = metadata_wheel("My.Pkg", "1.0", points)
    assert first == metadata_wheel("My.Pkg", "1.0", points)
    assert first is not None
    assert first[0] == "my_pkg-1.0-py3-none-any.whl"
    assert b"bad" not in first[1]
    assert metadata_wheel("../x", "1", {}) is None


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.close()


async def test_an_environment_is_installed_once(lab: Lab) -> None:
    root = lab.tree({"a.py": ""})
    project = lab.toolchain.detect(root)
    assert project is not None
    both = await asyncio.gather(lab.toolchain.install(project, root), lab.toolchain.install(project, root))
    assert sorted(one.installed for one in both) == [False, True]
    again = await PythonToolchain(lab.sandbox, lab.folder / "cache").install(project, root)
    assert not again.installed
    assert again.seconds < 0.5
    assert again.mounts == both[0].mounts
    assert not any(mount.writable for mount in again.mounts)


async def test_console_scripts_dependencies_and_source_layout(lab: Lab) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "hello-world"\nversion = "2.0"\ndependencies = ["iniconfig"]\n'
        '[project.scripts]\nhello = "hello:main"\n',
        "src/hello/__init__.py": "import importlib.metadata\nimport iniconfig\n\n\n"
        "def main():\n    print(importlib.metadata.version('hello-world'))\n",
    }
    async with lab.open(files) as bench:
        result = await bench.session.run(["hello"], env=bench.environment.variables)
        assert (result.exit, result.stdout.text) == (0, "2.0\n"), result.stderr.text
        written = await bench.session.run(["touch", "/opt/env/planted"], env=bench.environment.variables)
        assert not written.ok


async def test_a_coverage_threshold_fails_no_run(lab: Lab) -> None:
    files = {"pytest.ini": "[pytest]\naddopts = --cov=a --cov-fail-under=100 -n 2\n", "a.py": "if 0:\n    x = 1\n"}
    files["test_a.py"] = "import a\n\n\ndef test_a():\n    pass\n\n\ndef test_b():\n    assert 0\n"
    async with lab.open(files) as bench:
        report = await bench.tests()
        assert report.end.value == "completed", report.detail
        assert (sorted(report.passing), sorted(report.failing)) == (["test_a.py::test_a"], ["test_a.py::test_b"])
        assert (await bench.tests("test_a.py::test_a")).end.value == "completed"


async def test_what_cannot_be_installed_is_one_sentence_and_leaves_nothing(lab: Lab) -> None:
    root = lab.tree({"a.py": "", "requirements.txt": "iniconfig==0.0.0.1\n"})
    project = lab.toolchain.detect(root)
    assert project is not None
    with pytest.raises(UserError, match=r"cannot be installed.*iniconfig") as caught:
        await lab.toolchain.install(project, root)
    assert "\n" not in str(caught.value)
    store = EnvironmentStore(lab.folder / "cache")
    assert store.find(project.key) is None
    assert list((lab.folder / "cache" / "build").iterdir()) == []


async def test_an_index_that_cannot_be_reached_is_tried_again_later(lab: Lab) -> None:
    environ = {"PIP_INDEX_URL": "http://somebody:hidden@127.0.0.1:9/simple"}
    toolchain = PythonToolchain(lab.sandbox, lab.folder / "cache-unreachable", environ=environ)
    root = lab.tree({"a.py": ""})
    project = toolchain.detect(root)
    assert project is not None
    with pytest.raises(Retry, match="index cannot be reached") as caught:
        await toolchain.install(project, root)
    assert "hidden" not in str(caught.value)


async def test_our_own_packages_do_not_stand_in_for_missing_ones(lab: Lab) -> None:
    async with lab.open({"test_a.py": "import yaml\n"}) as bench:
        assert (await bench.tests()).failing == {"test_a.py"}


async def test_a_project_that_changed_since_it_was_detected(lab: Lab) -> None:
    with pytest.raises(UserError, match="have changed"):
        await lab.toolchain.install(Project("python", "another"), lab.tree({"a.py": ""}))
