// Run by trunk after each build: splits the code, then writes the list of the build's files and their hash into the
// service worker. With LAB_SPLIT=off the code stays in one piece, with its names, for tools/split/record.mjs.

import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { applySplit } from './split/apply.mjs';

const folder = process.env.TRUNK_STAGING_DIR ?? process.argv[2];
if (!folder) throw new Error('usage: node tools/stamp.mjs FOLDER (trunk passes it as TRUNK_STAGING_DIR)');

if (process.env.LAB_SPLIT !== 'off') applySplit(folder);

const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(join(folder, '/').length).replaceAll('\\', '/'))
  // The browser keeps the worker itself.
  .filter((file) => file !== 'sw.js')
  .sort();

const worker = join(folder, 'sw.js');
const source = readFileSync(worker, 'utf8');
const hash = createHash('sha256').update(source);
for (const file of files) hash.update(file).update('\0').update(readFileSync(join(folder, file)));
const build = { version: hash.digest('hex').slice(0, 16), files };

const placeholder = "const BUILD = { version: 'unstamped', files: [] };";
if (!source.includes(placeholder)) throw new Error(`no line "${placeholder}" in ${worker}`);
writeFileSync(worker, source.replace(placeholder, () => `const BUILD = ${JSON.stringify(build)};`));
console.log(`stamped build ${build.version}: ${files.length} files`);
