// Splits the code of a built page in its folder: what trunk's hook does after each build.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { split } from './split.mjs';

const here = dirname(fileURLToPath(import.meta.url));

/** Keys of the modules whose code the first page runs, and of functions of theirs that it does not: written by record.mjs. */
const LIST = join(here, 'first-page.txt');
const LATER = '-';

/** What the list says: { modules, later }, sets of keys. */
export function listed() {
  const lines = readFileSync(LIST, 'utf8').split('\n').filter((line) => line && !line.startsWith('#'));
  const isLater = (line) => line.startsWith(LATER);
  return { modules: new Set(lines.filter((line) => !isLater(line))), later: new Set(lines.filter(isLater).map((line) => line.slice(LATER.length))) };
}

export function writeList({ modules, later }) {
  const lines = [
    '# Keys of modules that the first page runs code of, then of functions in them that it does not run; all other code',
    '# follows later. Written by `make split`.',
    ...[...modules].sort(), ...[...later].sort().map((key) => LATER + key),
  ];
  writeFileSync(LIST, `${lines.join('\n')}\n`);
}

/** Whether a function belongs to the first page, by its name. */
export const isFirst = (name, { modules, later }) => name === '' || (modules.has(keyOf(moduleOf(name))) && !later.has(keyOf(name)));

const IMPORTS = /("\.\/[\w-]+_bg\.js": import0,)/;
const digest = (content) => createHash('sha384').update(content).digest('base64');
const hashed = (content) => createHash('sha256').update(content).digest('hex').slice(0, 16);

/** Those of our modules or functions that a name mentions. */
const ours = (name) => [...new Set(name.match(/control_plane_lab(::[a-z_0-9]+)*/g))].join(' + ');

/**
 * The module of a function by its name: all before its own; of `<Type as Trait>::method` both. Lists go by modules and
 * not by functions, so that they stay true while code changes. What a library wrote for any type, and the compiler made
 * for some of ours, belongs to all of ours that it names, for each part of the library.
 */
export function moduleOf(name) {
  if (name.startsWith('Closure(')) return 'closures for the browser';
  if (!/^<?control_plane_lab/.test(name) && ours(name)) return `${name.match(/[a-z_]+(::[a-z_]+)*/)[0]} for ${ours(name)}`;
  return name.replace(/(::\{[^}]*\}+)+/g, '').replace(/::[^:<>]+$/, '');
}

/**
 * What the list has of a module or function: eight digits of its name's hash, since names are long. If two meet in one key,
 * the one goes where the other goes.
 */
export const keyOf = (name) => hashed(name).slice(0, 8);

/** The module as the linker wrote it: what cargo left when trunk called it. */
function unfinished() {
  const metadata = execFileSync('cargo', ['metadata', '--format-version', '1', '--no-deps', '--offline'], { maxBuffer: 1 << 28 });
  const target = JSON.parse(metadata).target_directory;
  return readFileSync(join(target, 'wasm32-unknown-unknown', process.env.TRUNK_PROFILE ?? 'release', 'control-plane-lab.wasm'));
}

/** Splits the code in a folder, unless it is split. */
export function applySplit(folder) {
  const files = readdirSync(folder);
  // Stamped again: what is split stays so.
  if (files.some((file) => file.endsWith('_rest.wasm'))) return;
  const find = (pattern) => {
    const found = files.filter((file) => pattern.test(file));
    if (found.length !== 1) throw new Error(`${found.length} files like ${pattern} in ${folder}`);
    return found[0];
  };
  const binary = find(/_bg\.wasm$/);
  const script = find(/^control-plane-lab-[0-9a-f]+\.js$/);
  const list = listed();
  const { first, rest, counts } = split(readFileSync(join(folder, binary)), (name) => isFirst(name, list), unfinished());
  const names = {
    first: `control-plane-lab-${hashed(first)}_bg.wasm`,
    rest: `control-plane-lab-${hashed(rest)}_rest.wasm`,
  };
  const source = readFileSync(join(folder, script), 'utf8');
  if (!IMPORTS.test(source)) throw new Error(`${script} does not hand over its imports as wasm-bindgen 0.2.129 did`);
  const loader = readFileSync(join(here, 'loader.js'), 'utf8').replace('REST_FILE', names.rest);
  const bindings = source.replace(IMPORTS, '$1 rest: { load: loadRest },') + loader;
  names.script = `control-plane-lab-${hashed(bindings)}.js`;

  let page = readFileSync(join(folder, 'index.html'), 'utf8');
  const replace = (old, name, content) => {
    page = page.replaceAll(digest(readFileSync(join(folder, old))), digest(content)).replaceAll(old, name);
    rmSync(join(folder, old));
    writeFileSync(join(folder, name), content);
  };
  replace(binary, names.first, first);
  replace(script, names.script, bindings);
  writeFileSync(join(folder, names.rest), rest);
  writeFileSync(join(folder, 'index.html'), page);
  console.log(`split: ${counts.first} functions and ${counts.firstData} bytes of data (${first.length} bytes) first, `
    + `${counts.rest} and ${counts.restData} (${rest.length} bytes) after, ${counts.doors} doors`);
}
