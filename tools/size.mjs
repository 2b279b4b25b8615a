// What the first visit downloads, compressed as a host would: `node tools/size.mjs [FOLDER]`. Fails above the budget.

import { readFileSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';

/** KB here are 1,000 bytes: the stricter reading. */
export const BUDGET_BYTES = 700_000;

/** What follows the first page while the learner reads: see tools/split. */
const LATER = /_rest\.wasm$/;

/**
 * The files of the first page, until a leader is elected on it and the lesson is open, and their brotli sizes: the page, its code and styles, every font that
 * English text uses (the files named `-more` hold what a browser asks for only when it meets it), the drawn icon, and one lesson, for which the largest stands in.
 */
export function firstPage(folder) {
  const all = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(join(folder, '/').length));
  const always = all.filter((file) => !file.startsWith('lessons/') && !file.endsWith('-more.woff2') && !LATER.test(file) && /\.(html|js|css|wasm|woff2|svg|webmanifest)$/.test(file));
  const sizes = new Map(all.map((file) => [file, brotli(readFileSync(join(folder, file)), file)]));
  const lessons = new Map();
  for (const file of all.filter((name) => name.startsWith('lessons/'))) {
    // Files beside the lessons' folders are the catalogue; each is needed whichever lesson is open.
    if (dirname(file) === 'lessons') always.push(file);
    else lessons.set(dirname(file), [...(lessons.get(dirname(file)) ?? []), file]);
  }
  const weight = (files) => files.reduce((sum, file) => sum + sizes.get(file), 0);
  const largest = [...lessons.values()].sort((a, b) => weight(b) - weight(a))[0] ?? [];
  const files = [...always, ...largest].map((file) => ({ file, bytes: sizes.get(file) }))
    .sort((a, b) => b.bytes - a.bytes);
  return { files, total: files.reduce((sum, { bytes }) => sum + bytes, 0), later: weight(all.filter((file) => LATER.test(file))) };
}

function brotli(content, file) {
  // woff2 is brotli already.
  if (file.endsWith('.woff2')) return content.length;
  return brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }).length;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { files, total, later } = firstPage(process.argv[2] ?? 'dist');
  for (const { file, bytes } of files) console.log(`${String(bytes).padStart(9)}  ${file}`);
  console.log(`${String(total).padStart(9)}  bytes for the first page, of ${BUDGET_BYTES}`);
  console.log(`${String(later).padStart(9)}  bytes of code and data that follow`);
  console.log(`${String(total + later).padStart(9)}  bytes in all`);
  if (total > BUDGET_BYTES) {
    console.error('the first page is over its budget');
    process.exitCode = 1;
  }
}
