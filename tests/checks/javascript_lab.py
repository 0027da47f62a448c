"""A workbench for Node.js projects, and the tiny projects on it. Used by the JavaScript tests and by their recorder."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bot.core.errors import Retry
from bot.toolchains.node import NodeToolchain
from tests.checks.lab import Bench, Lab

DESCRIBED = """
describe('outer', () => {
  describe('in > ner (1)', () => {
    it('works', () => {});
    it('fails at a.b [x]?', () => { assert.equal(1, 2); });
  });
  it.skip('skipped', () => {});
});
describe('hooks', () => {
  before(() => { throw new Error('no set-up'); });
  it('never runs', () => {});
});
"""
NODE = "const { describe, it, test, before } = require('node:test');\nconst assert = require('node:assert');\n"
PLAIN = "const assert = require('node:assert');\n"
IMPORT = (
    "import { describe, it, beforeAll as before } from 'vitest';\nimport assert from 'node:assert';\nimport './gone';\n"
)
SUBTESTS = """
test('top', async (t) => { await t.test('sub', () => { assert.ok(false); }); });
test('expected to fail', { todo: true }, () => { assert.ok(false); });
test('twice', () => {});
test('twice', () => { assert.ok(false); });
"""


def package(test: str, *dependencies: str, **more: str) -> str:
    asked = ", ".join(f'"{name}": "*"' for name in dependencies)
    extra = "".join(f', "{name}": "{value}"' for name, value in more.items())
    return f'{{"name": "x", "scripts": {{"test": "{test}"}}, "devDependencies": {{{asked}}}{extra}}}'


ALL = ("eslint", "jest", "mocha", "typescript", "vitest")
SAMPLES: dict[str, dict[str, str]] = {
    "node": {
        "package.json": package("node --test"),
        "a.test.js": NODE + DESCRIBED + SUBTESTS,
        "b.test.js": "require('./gone');\n",
        "test/script.js": "require('node:assert').equal(1, 2);\n",
        "test/quiet.js": "",
    },
    "mocha": {"package.json": package("mocha", *ALL), "test/a.js": PLAIN + DESCRIBED},
    "jest": {
        "package.json": package("jest --coverage", *ALL),
        "a.test.js": PLAIN + DESCRIBED.replace("before(", "beforeAll("),
        "b.test.js": "require('./gone');\nit('never', () => {});\n",
    },
    "vitest": {
        "package.json": package("vitest", *ALL, type="module"),
        "vitest.config.ts": "import { defineConfig } from 'vitest/config';\n"
        "export default defineConfig({ test: { globals: true } });\n",
        "src/a.test.ts": IMPORT.replace("import './gone';\n", "") + DESCRIBED,
        "src/b.test.ts": IMPORT + "it('never', () => {});\n",
    },
}
CHECKED = {
    "package.json": package("node --test", *ALL),
    "eslint.config.mjs": "export default [{ rules: { 'no-unused-vars': 'error', semi: 'error', eqeqeq: 'warn' } }];\n",
    "tsconfig.json": '{"compilerOptions": {"strict": true, "composite": true, "types": []}, "include": ["*.ts"]}\n',
    "lint.js": "const unused = 1;\nif (1 == 2) { }\nvar semi = 2\nmodule.exports = semi;\n",
    "typed.ts": "export const count: number = 'one';\n\n\nexport function half(n) { return n / 2; }\n",
    "broken/late.js": "const a = 1;\nconst b = ;\n",
    "broken/module.js": "import a from './a.js';\n\nexport const b = ;\n",
    "broken/module.mjs": "export const a = 1;\nawait 1 +;\n",
    "broken/data.json": '{"a": 1,\n "b": }\n',
    "fine/esm.js": "import a from './a.js';\nexport default await a;\n",
    "fine/bin.cjs": "#!/usr/bin/env node\nreturn;\n",
    "fine/tsconfig.base.json": "{ // comments\n}\n",
}


class NodeLab:
    """A Lab with the Node.js toolchain."""

    def __init__(self) -> None:
        self.lab = Lab()
        self.toolchain = NodeToolchain(self.lab.sandbox, self.lab.folder / "node")

    @asynccontextmanager
    async def open(self, files: Mapping[str, str]) -> AsyncIterator[Bench]:
        """Raises Retry when the registry cannot be reached."""
        root = self.lab.tree(files)
        project = self.toolchain.detect(root)
        assert project
        environment = await self.toolchain.install(project, root)
        async with await self.lab.sandbox.open(root, mounts=environment.mounts) as session:
            yield Bench(session, project, environment)

    async def unreachable(self, files: Mapping[str, str]) -> str:
        """Why the dependencies of `files` cannot be had here, empty when they can."""
        try:
            async with self.open(files):
                return ""
        except Retry as error:
            return str(error)
