// A reporter for mocha that writes one JSON line an event to the file that FETTLE_REPORT names.
//
// Mocha's JSON reporter joins the names of suites with blanks, so that a test cannot be told from another by its name,
// and it writes at the end only. Kept to the events that every release from 6 on has.
'use strict';
const fs = require('node:fs');
const path = require('node:path');

const MAX_MESSAGE = 4096;

function names(test) {
  const found = [];
  for (let here = test; here && !here.root; here = here.parent) found.unshift(here.title);
  return found;
}

function file(test) {
  for (let here = test; here; here = here.parent) if (here.file) return path.relative(process.cwd(), here.file);
  return '';
}

function text(error) {
  const said = String((error && (error.stack || error.message)) || error || '');
  return said.length > MAX_MESSAGE ? `[...] ${said.slice(-MAX_MESSAGE)}` : said;
}

module.exports = function Fettle(runner) {
  const report = fs.openSync(process.env.FETTLE_REPORT, 'w');
  const write = (event) => fs.writeSync(report, `${JSON.stringify(event)}\n`);
  const ended = (outcome) => (test, error) =>
    write({
      event: 'test',
      path: file(test),
      names: names(test),
      outcome,
      message: error ? text(error) : '',
      seconds: (test.duration || 0) / 1000,
    });
  runner.on('test', (test) => write({ event: 'start', path: file(test), names: names(test) }));
  runner.on('pass', ended('passed'));
  runner.on('pending', ended('skipped'));
  runner.on('fail', (test, error) => {
    ended('failed')(test, error);
    process.stderr.write(`${names(test).join(' > ')}\n${text(error)}\n`);
  });
  runner.once('end', () => {
    write({ event: 'finish' });
    fs.closeSync(report);
  });
};
