// Arranges an installed node_modules so that it can be mounted at /node_modules. Run by node_install, once per build.
//
// Arguments: the folder that holds node_modules, and where the project's own sources will lie.
import fs from 'node:fs';
import path from 'node:path';

const [root, workspace] = process.argv.slice(2);
const modules = path.join(root, 'node_modules');
// Where tools write beside the packages; the mounted folder is read-only. (vite's keeps its bundled configuration.)
const WRITTEN = ['.vite', '.vite-temp', '.vitest', '.cache'];

function relink(folder) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const here = path.join(folder, entry.name);
    if (entry.isDirectory() && entry.name.startsWith('@')) relink(here);
    if (!entry.isSymbolicLink()) continue;
    const target = path.resolve(folder, fs.readlinkSync(here));
    if (target.startsWith(root + path.sep) && !target.startsWith(modules + path.sep)) {
      fs.unlinkSync(here);
      fs.symlinkSync(path.join(workspace, path.relative(root, target)), here);
    }
  }
}

fs.mkdirSync(modules, { recursive: true });
relink(modules);
for (const name of WRITTEN) {
  fs.rmSync(path.join(modules, name), { recursive: true, force: true });
  fs.symlinkSync('/tmp', path.join(modules, name));
}
for (const name of fs.readdirSync(root)) {
  if (name !== 'node_modules') fs.rmSync(path.join(root, name), { recursive: true, force: true });
}
