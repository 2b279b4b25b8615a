// Writes down which modules the first page runs code of: `node tools/split/record.mjs UNSPLIT_FOLDER`, a page that was built with
// LAB_SPLIT=off. Chromium opens it, from nothing cached until a leader is elected, a lesson is open and time runs, and
// comes back to it once.

import { mkdtempSync, cpSync, readFileSync, readdirSync, writeFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boot, launch, startServer } from '../../tests/browser/harness.mjs';
import { LIST, keyOf, listed, moduleOf } from './apply.mjs';
import { instrumented, nameOf } from './split.mjs';
import { parse } from './wasm.mjs';

const folder = mkdtempSync(join(tmpdir(), 'lab-record-'));
cpSync(process.argv[2], folder, { recursive: true });
const file = join(folder, readdirSync(folder).find((name) => name.endsWith('_bg.wasm')));
const bytes = readFileSync(file);
writeFileSync(file, instrumented(bytes));
const index = join(folder, 'index.html');
writeFileSync(index, readFileSync(index, 'utf8').replace(/ integrity=("[^"]*"|[^ >]*)/g, ''));

const server = await startServer(null, folder);
const browser = await launch();
const ran = new Set();
try {
  for (const options of [{ viewport: { width: 1440, height: 900 } }, { viewport: { width: 390, height: 844 } }]) {
    const page = await browser.newPage(options);
    await page.addInitScript(() => {
      const instantiate = WebAssembly.instantiateStreaming;
      WebAssembly.instantiateStreaming = async (...given) => {
        const made = await instantiate(...given);
        globalThis.recorded = made.instance.exports;
        return made;
      };
    });
    // A first visit, leaving it, and a second one: a page that is left may fetch nothing any more.
    for (const visit of ['first', 'second']) {
      await (visit === 'first' ? boot(page, server.url) : page.reload());
      await page.waitForFunction(() => document.querySelector('.cluster')?.textContent.includes('leader')
        && document.querySelector('.lesson-step'), null, { timeout: 60_000 });
      await page.waitForTimeout(7_000);
      const numbers = await page.evaluate(() => {
        window.dispatchEvent(new Event('pagehide'));
        return Object.entries(globalThis.recorded)
          .filter(([name, mark]) => name.startsWith('ran_') && mark.value === 1).map(([name]) => Number(name.slice(4)));
      });
      numbers.forEach((number) => ran.add(number));
    }
    await page.close();
  }
} finally {
  await browser.close();
  await server.kill();
  rmSync(folder, { recursive: true, force: true });
}
const module = parse(bytes);
const names = [...new Set([...ran].map((number) => moduleOf(nameOf(module, number))))].filter(Boolean).sort();
const before = listed();
const keys = [...new Set(names.map(keyOf))].sort();
const head = '# Keys of modules that the first page runs code of; all other code follows later. Written by `make split`.\n';
writeFileSync(LIST, `${head}${keys.join('\n')}\n`);
names.filter((name) => !before.has(keyOf(name))).forEach((name) => console.log(`new in the list: ${name}`));
console.log(`${ran.size} functions of ${module.functions.length} ran: ${names.length} modules in ${LIST}`);
