"""What a Python project asks to have installed, gathered from every manifest it may have. Called by python_detect.

The result is text only: PEP 508 lines that go to uv inside the sandbox. What is understood: PEP 621 with its extras,
PEP 735 groups, Poetry, Pipenv, PDM, Hatch, uv, setup.cfg, setup.py (as a syntax tree), requirements files.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bot.core.errors import UserError
from bot.toolchains import python_pip, python_poetry, python_setup_py
from bot.toolchains.files import MAX_LOCK_BYTES, TreeReader, strings, table

# What people call the extras and groups that hold their test tools.
TEST_GROUPS = re.compile(
    r"(?:unit[-_]?)?tests?(?:ing)?|test[-_]?\w*|dev(?:elop(?:ment)?|[-_]?\w+)?|typing|types|mypy", re.IGNORECASE
)
REQUIREMENT_FILES = re.compile(
    r"requirements(?:[-_.]?(?:dev|develop|development|test|tests|testing))?\.txt"
    r"|(?:dev|test|tests|testing)[-_.]requirements\.txt"
    r"|requirements/(?:base|main|common|core|default|requirements|prod|production|dev|development|test|tests|testing|local)\.txt"
)
LOCKS = ("uv.lock", "poetry.lock", "pdm.lock")
_LOCKED = re.compile(r'^\[\[package\]\]\s*?\nname = "([^"\n]+)"\s*?\nversion = "([^"\n]+)"', re.MULTILINE)


@dataclass(slots=True)
class Wanted:
    """What to install: PEP 508 lines, `constraints` from lock files, and the manifests that were read.

    `name`, `version` and `entry_points` (group to lines) are the project's own; `local` are folders named as local
    requirements; `skipped` says in one sentence each what was left out.
    """

    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    manifests: list[str] = field(default_factory=list)
    python: list[str] = field(default_factory=list)
    local: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    name: str = ""
    version: str = ""
    entry_points: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """The normalised names of what is required."""
        return frozenset(
            canonicalize_name(re.split(r"[\s\[<>=!~;@(]", line, maxsplit=1)[0]) for line in self.requirements
        )


def gather(tree: TreeReader, folder: str = "") -> Wanted:
    """Everything that the manifests in `folder` ask for; raises UserError when a manifest cannot be read."""
    wanted = Wanted()
    _pyproject(tree, folder, wanted)
    _setup_cfg(tree, folder, wanted)
    _setup_py(tree, folder, wanted)
    _pipfile(tree, folder, wanted)
    _requirement_files(tree, folder, wanted)
    _locks(tree, folder, wanted)
    own = canonicalize_name(wanted.name) if wanted.name else ""
    wanted.requirements = [line for line in _unique(wanted.requirements) if _name_of(line) != own]
    return wanted


def _at(folder: str, name: str) -> str:
    return posixpath.join(folder, name)


def _pyproject(tree: TreeReader, folder: str, wanted: Wanted) -> None:
    path = _at(folder, "pyproject.toml")
    data = tree.toml(path)
    if not data:
        return
    wanted.manifests.append(path)
    _project_table(table(data, "project"), wanted)
    _groups(table(data, "dependency-groups"), wanted)
    _poetry(table(data, "tool", "poetry"), path, wanted)
    _other_tools(table(data, "tool"), wanted)
    for name in _dynamic_files(table(data, "tool", "setuptools", "dynamic")):
        _requirement_file(tree, _at(folder, name), wanted)


def _project_table(project: dict[str, Any], wanted: Wanted) -> None:
    wanted.name = next(iter(strings(project.get("name"))), "")
    wanted.version = next(iter(strings(project.get("version"))), "")
    wanted.python += strings(project.get("requires-python"))
    scripts = {"console_scripts": project.get("scripts"), **table(project, "entry-points")}
    wanted.entry_points = {group: _string_table(lines) for group, lines in scripts.items() if _string_table(lines)}
    _add(strings(project.get("dependencies")), wanted)
    _extras(table(project, "optional-dependencies"), wanted)


def _string_table(value: object) -> dict[str, str]:
    return {key: item for key, item in value.items() if isinstance(item, str)} if isinstance(value, dict) else {}


def _extras(extras: dict[str, Any], wanted: Wanted) -> None:
    """The test extras, and those that they name of the project itself (`dev = ["self[test]"]`)."""
    pending = [name for name in extras if TEST_GROUPS.fullmatch(name)]
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        for line in strings(extras.get(name)):
            if wanted.name and _name_of(line) == canonicalize_name(wanted.name):
                pending += [extra for extra in extras if canonicalize_name(extra) in _extras_of(line)]
            else:
                _add([line], wanted)


def _groups(groups: dict[str, Any], wanted: Wanted) -> None:
    """PEP 735: the test groups, with what they include."""
    pending = [name for name in groups if TEST_GROUPS.fullmatch(name)]
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in seen or not isinstance(groups.get(name), list):
            continue
        seen.add(name)
        _add(strings(groups[name]), wanted)
        included = {
            canonicalize_name(str(item.get("include-group"))) for item in groups[name] if isinstance(item, dict)
        }
        pending += [group for group in groups if canonicalize_name(group) in included]


def _poetry(poetry: dict[str, Any], path: str, wanted: Wanted) -> None:
    if not poetry:
        return
    wanted.name = wanted.name or next(iter(strings(poetry.get("name"))), "")
    wanted.version = wanted.version or next(iter(strings(poetry.get("version"))), "")
    scripts = _string_table(poetry.get("scripts"))
    if scripts and "console_scripts" not in wanted.entry_points:
        wanted.entry_points["console_scripts"] = scripts
    groups = table(poetry, "group")
    tables = [table(groups, name, "dependencies") for name in groups if TEST_GROUPS.fullmatch(name)]
    for deps in (table(poetry, "dependencies"), table(poetry, "dev-dependencies"), *tables):
        _poetry_table(deps, path, wanted, _poetry_extras(poetry))


def _poetry_extras(poetry: dict[str, Any]) -> frozenset[str]:
    extras = table(poetry, "extras")
    return frozenset(item for name in extras if TEST_GROUPS.fullmatch(name) for item in strings(extras[name]))


def _poetry_table(deps: dict[str, Any], path: str, wanted: Wanted, extras: frozenset[str]) -> None:
    for name, value in deps.items():
        try:
            if name == "python":
                wanted.python += [python_poetry.specifier(text) for text in strings(value)]
            elif name in extras or not (isinstance(value, dict) and value.get("optional")):
                _add(python_poetry.requirements(name, value), wanted)
        except ValueError as error:
            raise UserError(f"{path} asks for {name[:80]!r} in a way that cannot be read: {error}.") from error


def _other_tools(tools: dict[str, Any], wanted: Wanted) -> None:
    """PDM's, uv's older and Hatch's own ways of naming development dependencies."""
    for name, lines in table(tools, "pdm", "dev-dependencies").items():
        if TEST_GROUPS.fullmatch(name):
            _add(strings(lines), wanted)
    _add(strings(table(tools, "uv").get("dev-dependencies")), wanted)
    environments = table(tools, "hatch", "envs")
    for name in ("default", "test", "tests", "hatch-test", "dev"):
        environment = table(environments, name)
        for key in ("dependencies", "extra-dependencies"):
            _add([line for line in strings(environment.get(key)) if "{" not in line], wanted)


def _dynamic_files(dynamic: dict[str, Any]) -> list[str]:
    extras = table(dynamic, "optional-dependencies")
    chosen = [table(extras, name) for name in extras if TEST_GROUPS.fullmatch(name)]
    return [name for item in (table(dynamic, "dependencies"), *chosen) for name in strings(item.get("file"))]


def _setup_cfg(tree: TreeReader, folder: str, wanted: Wanted) -> None:
    path = _at(folder, "setup.cfg")
    config = tree.ini(path)
    if not config.sections():
        return
    wanted.manifests.append(path)
    wanted.name = wanted.name or (config.get("metadata", "name", fallback="") or "")
    wanted.version = wanted.version or (config.get("metadata", "version", fallback="") or "")
    wanted.python += _lines(config.get("options", "python_requires", fallback=""))
    for key in ("install_requires", "tests_require"):
        _add(_lines(config.get("options", key, fallback="")), wanted)
    if config.has_section("options.extras_require"):
        extras = {name: _lines(value) for name, value in config.items("options.extras_require")}
        _extras(extras, wanted)
    if config.has_section("options.entry_points"):
        _entry_points({group: _lines(value) for group, value in config.items("options.entry_points")}, wanted)


def _lines(value: str | None) -> list[str]:
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in (value or "").splitlines())
    return [line for line in lines if line and not line.startswith("file:")]


def _setup_py(tree: TreeReader, folder: str, wanted: Wanted) -> None:
    path = _at(folder, "setup.py")
    text = tree.text(path)
    if text is None:
        return
    wanted.manifests.append(path)
    said = python_setup_py.keywords(text)
    wanted.name = wanted.name or next(iter(strings(said.get("name"))), "")
    wanted.version = wanted.version or next(iter(strings(said.get("version"))), "")
    wanted.python += strings(said.get("python_requires"))
    _add(strings(said.get("install_requires")) + strings(said.get("tests_require")), wanted)
    _extras(table(said, "extras_require"), wanted)
    _entry_points({group: strings(lines) for group, lines in table(said, "entry_points").items()}, wanted)
    if "install_requires=" in text.replace(" ", "") and "install_requires" not in said:
        wanted.skipped.append(f"{path} computes install_requires: only what other manifests name is installed.")


def _entry_points(groups: dict[str, list[str]], wanted: Wanted) -> None:
    for group, lines in groups.items():
        pairs = (line.partition("=") for line in lines)
        wanted.entry_points.setdefault(group, {name.strip(): value.strip() for name, sign, value in pairs if sign})


def _pipfile(tree: TreeReader, folder: str, wanted: Wanted) -> None:
    path = _at(folder, "Pipfile")
    data = tree.toml(path)
    if not data:
        return
    wanted.manifests.append(path)
    wanted.python += [f"=={text}.*" for text in strings(table(data, "requires").get("python_version"))]
    for section in ("packages", "dev-packages"):
        _poetry_table(table(data, section), path, wanted, frozenset())


def _requirement_files(tree: TreeReader, folder: str, wanted: Wanted) -> None:
    prefix = f"{folder}/" if folder else ""
    for path in sorted(tree.paths):
        if path.startswith(prefix) and REQUIREMENT_FILES.fullmatch(path[len(prefix) :]):
            _requirement_file(tree, path, wanted)


def _requirement_file(tree: TreeReader, path: str, wanted: Wanted) -> None:
    if path in wanted.manifests:
        return
    parsed = python_pip.read(tree, path, python_pip.Parsed())
    wanted.manifests += [name for name in parsed.files if name not in wanted.manifests]
    wanted.requirements += parsed.requirements
    wanted.constraints += parsed.constraints
    wanted.local += [name for name in parsed.local if name]


def _locks(tree: TreeReader, folder: str, wanted: Wanted) -> None:
    """Lock files constrain versions; a name locked at several versions (by marker) is left free."""
    for name in LOCKS:
        path = _at(folder, name)
        if (text := tree.text(path, MAX_LOCK_BYTES)) is None:
            continue
        wanted.manifests.append(path)
        versions: dict[str, set[str]] = {}
        for package, version in _LOCKED.findall(text):
            versions.setdefault(canonicalize_name(package), set()).add(version)
        wanted.constraints += [
            f"{package}=={min(found)}" for package, found in sorted(versions.items()) if len(found) == 1
        ]
        return


def _add(lines: Iterable[str], wanted: Wanted) -> None:
    for line in lines:
        try:
            parsed = Requirement(line)
        except InvalidRequirement:
            wanted.skipped.append(f"{line[:120]!r} is no requirement.")
            continue
        if parsed.url and not parsed.url.startswith(("https://", "git+https://")):
            wanted.skipped.append(f"{parsed.name} is local code.")
        else:
            wanted.requirements.append(str(parsed))


def _unique(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))


def _name_of(line: str) -> str:
    return canonicalize_name(re.split(r"[\s\[<>=!~;@(]", line.strip(), maxsplit=1)[0])


def _extras_of(line: str) -> set[str]:
    try:
        return {canonicalize_name(extra) for extra in Requirement(line).extras}
    except InvalidRequirement:
        return set()
