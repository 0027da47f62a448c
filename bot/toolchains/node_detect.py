"""What kind of Node.js project a base tree is, as data. Called by NodeToolchain.detect and .install.

A project is a `package.json` at the root. Its own code is never installed; what other packages it asks for is.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from bot.core.errors import UserError
from bot.toolchains import node_script
from bot.toolchains.base import Project
from bot.toolchains.files import MAX_LOCK_BYTES, TreeReader, strings, table
from bot.toolchains.node_script import Runner, Script

NAME = "node"
# Raised when what an environment holds changes for the same manifests.
LAYOUT = "1"
MAX_MEMBERS = 500

_GROUPS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
# What an installation reads of a package.json; scripts, above all, are not among it.
_KEPT = (
    *("name", "version", "private", "workspaces", "overrides", "resolutions", "packageManager", "pnpm"),
    *("peerDependenciesMeta", "dependenciesMeta", "bundleDependencies", "bundledDependencies", *_GROUPS),
)
_TEST_FILE = re.compile(
    r"(?:.*/)?(?:(?:test|tests|__tests__|spec)/.*|[^/]+[._-](?:test|spec)|test|test-[^/]+)\.[cm]?[jt]sx?"
)
_PINNED = re.compile(r"(npm|pnpm|yarn)@(\d+\.\d+\.\d+)(?:[+-].*)?")
_BABEL = re.compile(r"(babel\.config|\.babelrc)(\.[cm]?js|\.json)?")
_ESLINT = re.compile(r"eslint\.config\.[cm]?[jt]s|\.eslintrc(\.[cm]?js|\.json|\.ya?ml)?")
_TRUE = re.compile(r"^\s*legacy-peer-deps\s*=\s*true\s*$", re.MULTILINE)


class Manager(StrEnum):
    """Who installs, chosen by the lock file."""

    NPM = "npm"
    PNPM = "pnpm"
    YARN = "yarn"
    BERRY = "berry"  # yarn from 2 on


@dataclass(frozen=True, slots=True)
class Plan:
    """A Project and what installing it takes.

    `files` are the manifests to install from, by path, reduced to what an installation reads; `lock` names the lock
    file among them, empty when there is none; `release` is the package manager's own version (empty: the machine's).
    """

    project: Project
    manager: Manager
    release: str
    lock: str
    files: Mapping[str, bytes]
    legacy_peers: bool = False

    @property
    def installs(self) -> bool:
        """Whether anything is asked for at all."""
        manifests = (json.loads(data) for path, data in self.files.items() if path.endswith("package.json"))
        return any(manifest.get(group) for manifest in manifests for group in _GROUPS)


def plan(tree: TreeReader, node: str = "") -> Plan | None:
    """What `tree` is and needs, None without a package.json at its root. `node` identifies the interpreter.

    Raises UserError for manifests that cannot be read.
    """
    if "package.json" not in tree.paths:
        return None
    package = tree.json("package.json")
    manager, release, lock = _manager(tree, package)
    files = _files(tree, package, lock)
    found = Plan(_project(tree, package, files, lock), manager, release, lock, files, _legacy_peers(tree))
    return replace(found, project=replace(found.project, key=_key(found, node)))


def _manager(tree: TreeReader, package: Mapping[str, Any]) -> tuple[Manager, str, str]:
    """(manager, its release, the lock file); a lock file decides, `packageManager` says which release."""
    asked = str(package.get("packageManager", ""))
    match = _PINNED.fullmatch(asked)
    pinned = {match[1]: match[2]} if match else {}
    for lock in ("package-lock.json", "npm-shrinkwrap.json"):
        if lock in tree.paths:
            return Manager.NPM, "", lock
    if (text := tree.text("pnpm-lock.yaml", MAX_LOCK_BYTES)) is not None:
        return Manager.PNPM, pinned.get("pnpm") or _pnpm_release(text), "pnpm-lock.yaml"
    if (text := tree.text("yarn.lock", MAX_LOCK_BYTES)) is not None:
        classic = "__metadata:" not in text
        release = pinned.get("yarn", "")
        if classic:
            return Manager.YARN, release if release.startswith("1.") else "1.22.22", "yarn.lock"
        return Manager.BERRY, release if release and not release.startswith("1.") else "4", "yarn.lock"
    return Manager.NPM, "", ""


def _pnpm_release(lock: str) -> str:
    match = re.search(r"^lockfileVersion: *['\"]?(\d+)", lock, re.MULTILINE)
    # https://pnpm.io/cli/install: which releases read which lock files.
    return {"5": "7", "6": "8"}.get(match[1] if match else "", "9")


def _files(tree: TreeReader, package: Mapping[str, Any], lock: str) -> dict[str, bytes]:
    files = {"package.json": _reduced(package)}
    if _is_workspace(tree, package):
        members = sorted(path for path in tree.paths if path.endswith("/package.json"))
        if len(members) > MAX_MEMBERS:
            raise UserError(f"The repository has more than {MAX_MEMBERS} package.json files.")
        files |= {path: _reduced(tree.json(path)) for path in members}
    for path in (lock, "pnpm-workspace.yaml"):
        if path and (text := tree.text(path, MAX_LOCK_BYTES)) is not None:
            files[path] = text.encode()
    return files


def _is_workspace(tree: TreeReader, package: Mapping[str, Any]) -> bool:
    local = any(
        str(version).startswith(("file:", "link:", "portal:"))
        for group in _GROUPS
        for version in table(package, group).values()
    )
    return local or bool(package.get("workspaces")) or "pnpm-workspace.yaml" in tree.paths


def _reduced(package: Mapping[str, Any]) -> bytes:
    kept = {name: package[name] for name in _KEPT if name in package}
    # The plan may be asked of any of these: other types than tables ask for nothing.
    kept |= {group: table(package, group) for group in _GROUPS if group in package}
    return json.dumps(kept, indent=1).encode(errors="replace")


def _legacy_peers(tree: TreeReader) -> bool:
    """The one setting of the repository's .npmrc that is followed: the others name registries, proxies and scripts."""
    return _TRUE.search(tree.text(".npmrc") or "") is not None


def _project(tree: TreeReader, package: Mapping[str, Any], files: Mapping[str, bytes], lock: str) -> Project:
    scripts = {name: text for name, text in table(package, "scripts").items() if isinstance(text, str)}
    asked = frozenset(name for group in _GROUPS for name in table(package, group))
    script, notes = _tests(tree, scripts, asked)
    return Project(
        toolchain=NAME,
        key="",
        version=_version(tree, package),
        manifests=tuple(sorted({*files, *({".npmrc"} & tree.paths)})),
        source_roots=tuple(name for name in ("src", "lib") if _has_folder(tree, name)) or (".",),
        test_roots=_test_roots(tree),
        configures=_configures(tree, package, asked) | ({script.runner.value} if script else set()),
        notes=(*notes, *_workspace_notes(tree, package)),
        test_command=script.command if script else (),
    )


def _tests(tree: TreeReader, scripts: Mapping[str, str], asked: frozenset[str]) -> tuple[Script | None, list[str]]:
    """The runner: what `scripts.test` runs, else the one that is installed, else Node's own."""
    said = scripts.get("test", "")
    if found := node_script.parse(scripts):
        return found, [f"scripts.test also runs {step[:120]!r}, which is left out." for step in found.dropped]
    if not node_script.is_placeholder(said):
        return None, [f"scripts.test runs {said[:120]!r}, in which Fettle finds no test runner that it knows."]
    for runner in (Runner.VITEST, Runner.JEST, Runner.MOCHA):
        if runner.value in asked:
            return Script(runner, (runner.value,)), []
    return Script(Runner.NODE, ("node", "--test")), []


def _workspace_notes(tree: TreeReader, package: Mapping[str, Any]) -> list[str]:
    if not _is_workspace(tree, package):
        return []
    return ["The repository has workspaces: they are linked to their sources, and only the root's tests are run."]


def _version(tree: TreeReader, package: Mapping[str, Any]) -> str:
    """The release of Node.js that is asked for, as it is written."""
    for path in (".nvmrc", ".node-version"):
        if text := (tree.text(path) or "").strip():
            return text.splitlines()[0][:80]
    return "".join(strings(table(package, "engines").get("node")))[:80]


def _has_folder(tree: TreeReader, name: str) -> bool:
    return any(path.startswith(f"{name}/") for path in tree.paths)


def _test_roots(tree: TreeReader) -> tuple[str, ...]:
    """The first part of the path of every test file, by the patterns of `node --test` and jest."""
    return tuple(sorted({path.partition("/")[0] for path in tree.paths if _TEST_FILE.fullmatch(path)}))


def _configures(tree: TreeReader, package: Mapping[str, Any], asked: frozenset[str]) -> frozenset[str]:
    """Tools that are both configured and installed; `babel` stands for .js files that Node.js itself cannot read."""
    top = [path for path in tree.paths if "/" not in path]
    names = set()
    if "tsconfig.json" in top and "typescript" in asked:
        names.add("typescript")
    if "eslint" in asked and ("eslintConfig" in package or any(_ESLINT.fullmatch(path) for path in top)):
        names.add("eslint")
    if "react" in asked or "babel" in package or any(_BABEL.fullmatch(posixpath.basename(path)) for path in top):
        names.add("babel")
    return frozenset(names)


def _key(found: Plan, node: str) -> str:
    """What decides the content of an environment, and nothing else: the same key never installs twice."""
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in found.files.items()}
    parts = (LAYOUT, node, found.manager, found.release, found.lock, found.legacy_peers, digests)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
