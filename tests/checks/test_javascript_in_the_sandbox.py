"""The contract: JavaScript test runners and checks on real tiny projects in the real sandbox.

`node --test` needs no registry and serves for most; the tools that must be installed share one environment.
"""

import asyncio
from collections.abc import Iterator

import pytest

from bot.core.findings import SuiteEnd, new_findings
from tests.checks.javascript_lab import ALL, CHECKED, NODE, SAMPLES, NodeLab, package

SUM = {
    "package.json": package("node --test"),
    "sum.js": "module.exports = (a, b) => a - b;\n",
    "test/sum.test.js": NODE + "const sum = require('../sum');\n"
    "describe('sum', () => {\n  it('adds', () => assert.equal(sum(1, 2), 3));\n"
    "  it('adds zero', () => assert.equal(sum(1, 0), 1));\n});\n",
}


@pytest.fixture(scope="module")
def nodes() -> Iterator[NodeLab]:
    lab = NodeLab()
    yield lab
    lab.lab.close()


async def test_a_project_without_dependencies(nodes: NodeLab) -> None:
    async with nodes.open(SUM) as bench:
        before = await bench.tests()
        assert before.end is SuiteEnd.COMPLETED, before
        assert before.failing == {"test/sum.test.js::sum > adds"}
        assert before.passing == {"test/sum.test.js::sum > adds zero"}
        await bench.session.write("sum.js", b"module.exports = (a, b) => a + b;\n")
        again = await bench.tests(*before.failing)
        assert [(case.id, case.outcome) for case in again.cases] == [("test/sum.test.js::sum > adds", "passed")]
        assert [change.path for change in await bench.session.changes()] == ["sum.js"]


async def test_every_failing_id_can_be_asked_for_again(nodes: NodeLab) -> None:
    async with nodes.open(SAMPLES["node"]) as bench:
        whole = await bench.tests()
        again = await bench.tests(*sorted(whole.failing))
        assert len(whole.failing) == 8
        assert (again.end, again.failing, again.passing) == (whole.end, whole.failing, frozenset())


ENDS: dict[str, tuple[dict[str, str], SuiteEnd]] = {
    "does not parse": ({"a.test.js": "const = 1;\n"}, SuiteEnd.COLLECTION_ERROR),
    "no tests": ({"a.js": ""}, SuiteEnd.NO_TESTS),
    "no tests by a glob": ({"package.json": package("node --test 'spec/**/*.js'")}, SuiteEnd.NO_TESTS),
    "a bad option": ({"package.json": package("node --nope --test"), "a.test.js": ""}, SuiteEnd.USAGE),
    "a runner that is missing": ({"package.json": package("mocha")}, SuiteEnd.USAGE),
    "a script of another kind": ({"package.json": package("make check")}, SuiteEnd.NO_TESTS),
    "too slow": ({"a.test.js": NODE + "it('x', () => { for (;;); });\n"}, SuiteEnd.TIMEOUT),
}


@pytest.mark.parametrize("name", list(ENDS))
async def test_ends_are_told_apart(nodes: NodeLab, name: str) -> None:
    files, end = ENDS[name]
    async with nodes.open({"package.json": package("node --test"), **files}) as bench:
        report = await bench.tests(timeout=2.0 if end is SuiteEnd.TIMEOUT else 60.0)
        assert report.end is end, report
        assert report.detail


async def test_globs_options_and_modules(nodes: NodeLab) -> None:
    test = "import { it } from 'node:test';\nimport { deep } from './deep.js';\nit(process.env.NAME, () => deep());\n"
    script = "NAME=named node --test --test-reporter dot 'spec/**/*.{case,other}.js'"
    files = {
        "package.json": package(script, type="module"),
        "spec/a/b/c.case.js": test, "spec/a/b/deep.js": "export const deep = () => {};\n", "spec/not.js": "throw 1;\n",
    }  # fmt: skip
    async with nodes.open(files) as bench:
        report = await bench.tests()
        assert report.passing == {"spec/a/b/c.case.js::named"}, report


async def test_syntax_before_and_after(nodes: NodeLab) -> None:
    async with nodes.open({**CHECKED, "package.json": package("node --test")}) as bench:
        before = await bench.checks()
        assert before.failed == ()
        assert {one.path for one in before.findings} == {
            "broken/data.json", "broken/late.js", "broken/module.js", "broken/module.mjs",
        }  # fmt: skip
        await bench.session.write("broken/late.js", b"\n\n" + await bench.session.read("broken/late.js"))
        await bench.session.write("new.js", b"let = ;\n")
        fresh = new_findings(before.findings, (await bench.checks()).findings)
        assert [one.path for one in fresh] == ["new.js"]
        named = await bench.checks("new.js", "gone.js", "lint.js", "broken")
        assert [one.path for one in named.findings] == ["new.js"]


@pytest.fixture(scope="module")
def installed(nodes: NodeLab) -> NodeLab:
    if why := asyncio.run(nodes.unreachable(SAMPLES["jest"])):
        pytest.skip(f"LOUD: jest, vitest, mocha, tsc and eslint are not tested: {why}")
    return nodes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jest", "vitest", "mocha"])
async def test_installed_runners(installed: NodeLab, name: str) -> None:
    async with installed.open(SAMPLES[name]) as bench:
        whole = await bench.tests()
        assert len(whole.passing) == 1, whole
        assert await bench.session.changes() == ()
        again = await bench.tests(*sorted(whole.failing))
        assert again.failing == whole.failing
        single = next(one for one in whole.failing if "::outer" in one)
        assert [case.id for case in (await bench.tests(single)).cases] == [single]
        assert await bench.session.changes() == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "end"),
    [
        ({"package.json": package("mocha", *ALL), "test/a.js": "require('./gone');\n"}, SuiteEnd.COLLECTION_ERROR),
        ({"package.json": package("mocha", *ALL)}, SuiteEnd.NO_TESTS),
        ({"package.json": package("jest", *ALL)}, SuiteEnd.NO_TESTS),
        (
            {"package.json": package("jest", *ALL), "jest.config.js": "module.exports = { preset: 'gone' };\n"},
            SuiteEnd.USAGE,
        ),
        ({"package.json": package("vitest", *ALL)}, SuiteEnd.NO_TESTS),
        ({"package.json": package("vitest", *ALL), "vite.config.js": "throw 1;\n"}, SuiteEnd.USAGE),
    ],
)
async def test_their_ends(installed: NodeLab, files: dict[str, str], end: SuiteEnd) -> None:
    async with installed.open(files) as bench:
        report = await bench.tests()
        assert report.end is end, report


@pytest.mark.slow
async def test_installed_checks(installed: NodeLab) -> None:
    async with installed.open(CHECKED) as bench:
        report = await bench.checks()
        assert report.failed == ()
        assert {(one.check, one.rule) for one in report.findings if one.check != "javascript-syntax"} == {
            ("tsc", "TS2322"), ("tsc", "TS7006"), ("eslint", "no-unused-vars"), ("eslint", "semi"),
            ("eslint", "syntax-error"),
        }  # fmt: skip
        assert await bench.session.changes() == ()
        assert [one.rule for one in (await bench.checks("lint.js", "README.md")).findings if one.check == "eslint"] == [
            "no-unused-vars", "semi",
        ]  # fmt: skip
        nothing = await bench.checks("README.md")
        assert [one for one in nothing.findings if one.check == "eslint"] == []
        assert nothing.failed == ()
