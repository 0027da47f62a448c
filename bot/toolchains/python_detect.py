"""What kind of Python project a base tree is, as data. Called by PythonToolchain.detect and .install."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from dataclasses import dataclass, replace
from typing import Any

from bot.toolchains.base import Project
from bot.toolchains.files import TreeReader, strings, table
from bot.toolchains.python_interpreters import Interpreter, choose
from bot.toolchains.python_requirements import Wanted, gather

NAME = "python"
# Installed when the project does not name them itself; part of every key.
PYTEST = ("pytest==9.2.0 ; python_version >= '3.10'", "pytest<9 ; python_version < '3.10'")
MYPY = ("mypy==2.4.1 ; python_version >= '3.10'", "mypy<2 ; python_version < '3.10'")
# Raised when what an environment holds changes for the same requirements.
LAYOUT = "1"

_MANIFESTS = ("pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "requirements.txt")
_NOT_THE_PROJECT = frozenset(
    {"docs", "doc", "examples", "example", "samples", "tests", "test", "scripts", "tools", "benchmarks"}
)
_TEST_FILE = re.compile(r"test_[^/]*\.py|[^/]*_test\.py")
_VERSION_FILE = re.compile(r"\s*(?:cpython-)?(\d+)\.(\d+)")
# What a pytest configuration needs that people forget to name: a pattern in the configuration, and the distribution.
_PLUGINS = (
    (re.compile(r"--cov\b"), "pytest-cov"),
    (re.compile(r"\basyncio_mode\b"), "pytest-asyncio"),
    (re.compile(r"(?:^|\s)-n[ =]?(?:auto|logical|\d)"), "pytest-xdist"),
    (re.compile(r"--timeout\b|^timeout\b", re.MULTILINE), "pytest-timeout"),
    (re.compile(r"\bDJANGO_SETTINGS_MODULE\b"), "pytest-django"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A Project and what installing it takes. `name` is the project's own, empty when it has none."""

    project: Project
    interpreter: Interpreter
    requirements: tuple[str, ...]
    tools: tuple[str, ...]
    constraints: tuple[str, ...]
    name: str
    version: str
    entry_points: dict[str, dict[str, str]]


def plan(tree: TreeReader, interpreters: tuple[Interpreter, ...]) -> Plan | None:
    """What `tree` is and needs, None when there is no Python in it; raises UserError for unreadable manifests."""
    if not any(path.endswith(".py") for path in tree.paths):
        return None
    folders = _project_folders(tree)
    wanted = [gather(tree, folder) for folder in folders]
    interpreter = choose((text for one in wanted for text in one.python), _preferred(tree, folders), interpreters)
    configures = _configures(tree, folders)
    first = wanted[0]
    requirements = tuple(dict.fromkeys(line for one in wanted for line in one.requirements))
    names = frozenset(name for one in wanted for name in one.names)
    found = Plan(
        project=_project(tree, folders, wanted, configures),
        interpreter=interpreter,
        requirements=(*requirements, *_plugins(tree, folders, names)),
        tools=_tools(names, configures),
        constraints=tuple(dict.fromkeys(line for one in wanted for line in one.constraints)),
        name=first.name,
        version=first.version,
        entry_points=first.entry_points,
    )
    return replace(found, project=replace(found.project, key=_key(found)))


def _project(tree: TreeReader, folders: list[str], wanted: list[Wanted], configures: frozenset[str]) -> Project:
    asked = ",".join(text for one in wanted for text in one.python if text)
    return Project(
        toolchain=NAME,
        key="",
        version=asked or _preferred(tree, folders),
        manifests=tuple(dict.fromkeys(path for one in wanted for path in one.manifests)),
        source_roots=_source_roots(tree, folders, wanted),
        test_roots=_test_roots(tree, folders),
        configures=configures,
        notes=tuple(dict.fromkeys(text for one in wanted for text in one.skipped))[:20],
    )


def _key(found: Plan) -> str:
    """What decides the content of an environment, and nothing else: the same key never installs twice."""
    parts = (
        LAYOUT, found.interpreter.label, str(found.interpreter.path), found.requirements, found.tools,
        found.constraints, found.name, found.version, found.entry_points,
    )  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode(errors="replace")).hexdigest()[:32]


def _project_folders(tree: TreeReader) -> list[str]:
    """The root, or when it has no manifest the folders one level down that have one."""
    if any(name in tree.paths for name in _MANIFESTS):
        return [""]
    below = {
        posixpath.dirname(path)
        for path in tree.paths
        if path.count("/") == 1 and posixpath.basename(path) in _MANIFESTS
    }
    return sorted(below - _NOT_THE_PROJECT) or [""]


def _preferred(tree: TreeReader, folders: list[str]) -> str:
    for folder in ("", *folders):
        match = _VERSION_FILE.match(tree.text(posixpath.join(folder, ".python-version")) or "")
        if match:
            return f"{match[1]}.{match[2]}"
    return ""


def _tools(names: frozenset[str], configures: frozenset[str]) -> tuple[str, ...]:
    tools = () if "pytest" in names else PYTEST
    return (*tools, *MYPY) if "mypy" in configures and "mypy" not in names else tools


def _plugins(tree: TreeReader, folders: list[str], names: frozenset[str]) -> tuple[str, ...]:
    text = "\n".join(_pytest_settings(tree, folder) for folder in folders)
    return tuple(plugin for pattern, plugin in _PLUGINS if plugin not in names and pattern.search(text))


def _pytest_settings(tree: TreeReader, folder: str) -> str:
    """The project's pytest settings as `name value` lines, wherever they stand."""
    lines: list[str] = []
    for name, section in (("pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        config = tree.ini(posixpath.join(folder, name))
        if config.has_section(section):
            lines += [f"{key} {value}" for key, value in config.items(section)]
    settings = table(tree.toml(posixpath.join(folder, "pyproject.toml")), "tool", "pytest", "ini_options")
    lines += [f"{key} {' '.join(strings(value)) or value}" for key, value in settings.items()]
    return "\n".join(lines)


def _configures(tree: TreeReader, folders: list[str]) -> frozenset[str]:
    """Names of configured tools; `mypy-files` stands for a mypy configuration that names what to check."""
    names: set[str] = set()
    for folder in folders:
        tools = table(tree.toml(posixpath.join(folder, "pyproject.toml")), "tool")
        names |= {name for name in ("ruff", "mypy", "black", "pytest", "coverage", "isort", "pyright") if name in tools}
        names |= _ini_tools(tree, folder)
        if any(posixpath.join(folder, name) in tree.paths for name in ("ruff.toml", ".ruff.toml")):
            names.add("ruff")
        if "files" in table(tools, "mypy") or "packages" in table(tools, "mypy"):
            names.add("mypy-files")
    return frozenset(names)


def _ini_tools(tree: TreeReader, folder: str) -> set[str]:
    names: set[str] = set()
    sections = (
        ("mypy.ini", "mypy", "mypy"), (".mypy.ini", "mypy", "mypy"), ("setup.cfg", "mypy", "mypy"),
        ("pytest.ini", "pytest", "pytest"), ("tox.ini", "pytest", "pytest"), ("setup.cfg", "tool:pytest", "pytest"),
        ("setup.cfg", "flake8", "flake8"), (".flake8", "flake8", "flake8"), ("setup.cfg", "coverage:run", "coverage"),
    )  # fmt: skip
    for name, section, tool in sections:
        config = tree.ini(posixpath.join(folder, name))
        if config.has_section(section):
            names.add(tool)
            if tool == "mypy" and any(config.has_option(section, key) for key in ("files", "packages", "modules")):
                names.add("mypy-files")
    if posixpath.join(folder, ".coveragerc") in tree.paths:
        names.add("coverage")
    return names


def _source_roots(tree: TreeReader, folders: list[str], wanted: list[Wanted]) -> tuple[str, ...]:
    """Folders that go on the import path, the most specific first and the root last."""
    roots: list[str] = []
    for folder in folders:
        data = tree.toml(posixpath.join(folder, "pyproject.toml"))
        named = [*_named_roots(data), *_setup_cfg_roots(tree, folder), "src", ""]
        roots += [posixpath.normpath(posixpath.join(folder, name)) for name in named]
    roots += [name for one in wanted for local in one.local for name in (posixpath.join(local, "src"), local)]
    held = {posixpath.dirname(path) for path in tree.paths if path.endswith(".py")}
    plain = [root for root in dict.fromkeys(roots) if not root.startswith(("..", "/"))]
    kept = [root for root in plain if root != "." and any(name == root or name.startswith(f"{root}/") for name in held)]
    return (*kept, ".")


def _named_roots(data: dict[str, Any]) -> list[str]:
    setuptools = table(data, "tool", "setuptools")
    packages = table(data, "tool", "poetry").get("packages")
    sources = [item.get("from") for item in packages if isinstance(item, dict)] if isinstance(packages, list) else []
    found = table(setuptools, "packages", "find").get("where")
    return strings(found) + strings(table(setuptools, "package-dir").get("")) + strings(sources)


def _setup_cfg_roots(tree: TreeReader, folder: str) -> list[str]:
    config = tree.ini(posixpath.join(folder, "setup.cfg"))
    where = config.get("options.packages.find", "where", fallback="") or ""
    mapped = re.search(r"^\s*=\s*(\S+)", config.get("options", "package_dir", fallback="") or "", re.MULTILINE)
    return [name for name in (where.strip(), mapped[1] if mapped else "") if name]


def _test_roots(tree: TreeReader, folders: list[str]) -> tuple[str, ...]:
    """The configured `testpaths` that exist, else the top folders (or files in the root) that hold test files."""
    tests = [path for path in tree.paths if path.endswith(".py") and _TEST_FILE.fullmatch(posixpath.basename(path))]
    named = [
        posixpath.normpath(posixpath.join(folder, name))
        for folder in folders
        for line in _pytest_settings(tree, folder).splitlines()
        if line.startswith("testpaths ")
        for name in line.split()[1:]
    ]
    held = [name for name in named if any(path == name or path.startswith(f"{name}/") for path in tree.paths)]
    return tuple(dict.fromkeys(held)) or tuple(sorted({_top(path) for path in tests}))


def _top(path: str) -> str:
    parts = path.split("/")
    for index, part in enumerate(parts[:-1]):
        if part in ("test", "tests"):
            return "/".join(parts[: index + 1])
    return parts[0]
