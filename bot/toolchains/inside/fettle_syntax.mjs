// Says which JavaScript and JSON files do not parse, as one JSON object. Run inside the sandbox by the check
// javascript-syntax, with --experimental-vm-modules. Arguments: `--no-js` where .js is not plain JavaScript, then paths.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';

const MAX_BYTES = 4 << 20;
const MAX_PROBLEMS = 2000;
const MAX_SPAWNED = 50;
const SKIPPED = new Set(['node_modules', '.git', 'dist', 'build', 'coverage']);
// JSON with comments by custom.
const LOOSE = /(^|\/)(tsconfig[^/]*|jsconfig[^/]*|\.eslintrc|\.babelrc|\.swcrc|api-extractor|devcontainer)\.json$|(^|\/)\.(vscode|devcontainer)\//;

const words = process.argv.slice(2);
const plain = words[0] !== '--no-js';
const asked = plain ? words : words.slice(1);
const kinds = plain ? ['.js', '.mjs', '.cjs', '.json'] : ['.mjs', '.cjs', '.json'];
const problems = [];

function* files(folder) {
  for (const entry of fs.readdirSync(folder || '.', { withFileTypes: true })) {
    const here = path.posix.join(folder, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) yield* files(here);
    else if (entry.isFile()) yield here;
  }
}

function packageType(name) {
  for (let folder = path.posix.dirname(name); ; folder = path.posix.dirname(folder)) {
    try {
      return JSON.parse(fs.readFileSync(path.posix.join(folder, 'package.json'), 'utf8')).type ?? '';
    } catch {
      if (folder === '.' || folder === '/') return '';
    }
  }
}

// CommonJS is the body of a function: `return` is allowed, and a first line `#!` is not code.
const script = (name, text) =>
  vm.compileFunction(text.replace(/^#!.*/, ''), ['exports', 'require', 'module', '__filename', '__dirname'], { filename: name });
const esm = (name, text) => new vm.SourceTextModule(text, { identifier: name });

function javascript(name, text) {
  const type = name.endsWith('.mjs') ? 'module' : name.endsWith('.cjs') ? 'commonjs' : packageType(name);
  if (type === 'module') return void esm(name, text);
  try {
    script(name, text);
  } catch (error) {
    if (type === 'commonjs') throw error;
    try {
      esm(name, text); // as Node.js does where no package.json says which it is
    } catch (other) {
      throw /^\s*(import|export)\b/m.test(text) ? other : error;
    }
  }
}

// The error of a module does not say where: Node.js tells it only when it ends of it.
let spawned = 0;
function placed(text) {
  spawned += 1;
  if (spawned > MAX_SPAWNED) return '';
  return spawnSync(process.execPath, ['--input-type=module', '--check'], { input: text, encoding: 'utf8' }).stderr ?? '';
}

function line(name, text, error) {
  const stack = String(error.stack);
  const said = name.endsWith('.json') || !stack.startsWith('SyntaxError') ? stack : placed(text);
  const match = /:(\d+)$/.exec(said.split('\n', 1)[0]);
  if (match) return Number(match[1]);
  const position = /position (\d+)/.exec(error.message);
  return position ? text.slice(0, Number(position[1])).split('\n').length : 1;
}

function look(name) {
  let text;
  try {
    if (!fs.lstatSync(name).isFile() || fs.statSync(name).size > MAX_BYTES) return;
    text = fs.readFileSync(name, 'utf8').replace(/^\uFEFF/, '');
  } catch {
    return;
  }
  try {
    if (!name.endsWith('.json')) javascript(name, text);
    else if (!LOOSE.test(name)) JSON.parse(text);
  } catch (error) {
    const message = String(error.message).split('\n', 1)[0].slice(0, 300);
    problems.push({ path: name, line: line(name, text, error), message });
  }
}

for (const name of asked.length ? asked.map((one) => path.posix.normalize(one)) : files('')) {
  if (kinds.includes(path.posix.extname(name)) && problems.length < MAX_PROBLEMS) look(name);
}
process.stdout.write(JSON.stringify({ problems }));
