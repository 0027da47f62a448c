// A reporter for `node --test` that writes one JSON line an event to the file that FETTLE_REPORT names.
//
// Node's JUnit reporter loses the files, and its TAP must be parsed: the events themselves have all that is needed.
import fs from 'node:fs';
import path from 'node:path';

const MAX_MESSAGE = 4096;

function text(error) {
  const cause = error?.cause ?? error;
  const said = String(cause?.stack ?? cause?.message ?? cause ?? '');
  return said.length > MAX_MESSAGE ? `[...] ${said.slice(-MAX_MESSAGE)}` : said;
}

export default async function* fettle(source) {
  const file = fs.openSync(process.env.FETTLE_REPORT, 'w');
  const write = (event) => fs.writeSync(file, `${JSON.stringify(event)}\n`);
  const parents = new Map(); // file -> names of the tests that enclose the next event
  const said = new Map(); // file -> the end of what it wrote to standard error
  const root = process.cwd();
  const relative = (name) => path.relative(root, path.resolve(root, name));

  function ended(outcome, data) {
    const names = parents.get(data.file) ?? [];
    const whole = data.nesting === 0 && data.file !== undefined && relative(data.name) === relative(data.file);
    const failure = data.details?.error?.failureType;
    if (data.details?.type === 'suite' && (outcome !== 'failed' || failure === 'subtestsFailed')) return;
    const message = outcome === 'failed' ? text(data.details?.error) : '';
    const stderr = (said.get(data.file) ?? '').slice(-MAX_MESSAGE);
    const loaded = !whole || outcome !== 'failed' || /AssertionError|ERR_ASSERTION/.test(stderr);
    write({
      event: 'test',
      path: data.file === undefined ? '' : relative(data.file),
      names: whole ? [] : [...names.slice(0, data.nesting), data.name],
      outcome: loaded ? outcome : 'unloaded',
      message: whole && outcome === 'failed' ? `${stderr}\n${message}`.trim() : message,
      seconds: (data.details?.duration_ms ?? 0) / 1000,
    });
  }

  for await (const { type, data } of source) {
    const todo = data.todo !== undefined && data.todo !== false;
    const skipped = data.skip !== undefined && data.skip !== false;
    if (type === 'test:start') {
      const names = (parents.get(data.file) ?? []).slice(0, data.nesting);
      parents.set(data.file, [...names, data.name]);
    } else if (type === 'test:pass') {
      ended(skipped || todo ? 'skipped' : 'passed', data);
    } else if (type === 'test:fail') {
      ended(todo ? 'skipped' : 'failed', data);
    } else if (type === 'test:stderr') {
      said.set(data.file, (said.get(data.file) ?? '').slice(-MAX_MESSAGE) + data.message);
    }
  }
  write({ event: 'finish' });
  fs.closeSync(file);
}
