// Runs `node --test` over globs, which Node.js itself expands from release 21 on only. Arguments: options, `--`, paths.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const SKIPPED = new Set(['node_modules', '.git']);

function pattern(glob) {
  let regex = '';
  for (let index = 0; index < glob.length; index += 1) {
    const rest = glob.slice(index);
    if (rest.startsWith('**/')) {
      regex += '(?:[^/]+/)*';
      index += 2;
    } else if (rest.startsWith('**')) {
      regex += '.*';
      index += 1;
    } else if (rest[0] === '*') regex += '[^/]*';
    else if (rest[0] === '?') regex += '[^/]';
    else if (rest[0] === '{') regex += '(?:';
    else if (rest[0] === '}') regex += ')';
    else if (rest[0] === ',') regex += glob.includes('{') ? '|' : ',';
    else if (rest[0] === '[' || rest[0] === ']') regex += rest[0];
    else regex += rest[0].replace(/[\\^$.+()|]/g, '\\$&');
  }
  return new RegExp(`^${regex}$`);
}

function* files(folder) {
  for (const entry of fs.readdirSync(folder || '.', { withFileTypes: true })) {
    const here = path.posix.join(folder, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) yield* files(here);
    else if (entry.isFile()) yield here;
  }
}

const separator = process.argv.indexOf('--');
const options = process.argv.slice(2, separator);
const operands = process.argv.slice(separator + 1).flatMap((operand) => {
  if (!/[*?{[]/.test(operand) || fs.existsSync(operand)) return [operand];
  const matcher = pattern(operand.replace(/^\.\//, ''));
  return [...files('')].filter((name) => matcher.test(name)).sort();
});
if (process.argv.length > separator + 1 && operands.length === 0) {
  fs.writeFileSync(process.env.FETTLE_REPORT, '{"event":"finish"}\n');
  process.exit(0);
}
const child = spawn(process.execPath, [...options, ...operands], { stdio: 'inherit' });
child.on('exit', (code, signal) => {
  if (signal) process.kill(process.pid, signal);
  else process.exit(code);
});
