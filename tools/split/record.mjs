// Writes down which modules the first page runs code of: `node tools/split/record.mjs UNSPLIT_FOLDER`, a page that was built with
// LAB_SPLIT=off. Chromium opens it, from nothing cached until a leader is elected, a lesson is open and time runs, and
// comes back to it once; in windows of several sizes, and as if on a slow machine.

import { mkdtempSync, cpSync, readFileSync, readdirSync, writeFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boot, launch, startServer } from '../../tests/browser/harness.mjs';
import { keyOf, listed, moduleOf, writeList } from './apply.mjs';
import { instrumented, nameOf } from './split.mjs';
import { parse } from './wasm.mjs';

/** A function that is smaller than this goes with its module: which of them run differs from visit to visit. */
const WORTH_BYTES = 200;
/** So do those of containers: which of them run depends on how much they hold. */
const CONTAINER = /^<?(&|mut )*(alloc|archery|core|hashbrown|imbl|indexmap|std)::/;

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
  for (const { slow = 1, ...options } of [{ viewport: { width: 1440, height: 900 } }, { viewport: { width: 390, height: 844 }, slow: 6 },
    { viewport: { width: 1024, height: 768 }, colorScheme: 'dark', slow: 3 }]) {
    const page = await browser.newPage(options);
    await (await page.context().newCDPSession(page)).send('Emulation.setCPUThrottlingRate', { rate: slow });
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
const names = new Set([...ran].map((number) => nameOf(module, number)));
const modules = new Set([...names].map(moduleOf).filter(Boolean));
const idle = module.code.map((body, position) => ({ name: nameOf(module, module.imports.length + position), size: body.length }))
  .filter(({ name, size }) => size >= WORTH_BYTES && modules.has(moduleOf(name)) && !names.has(name) && !CONTAINER.test(name));
const before = listed();
[...modules].filter((name) => !before.modules.has(keyOf(name))).sort().forEach((name) => console.log(`new in the list: ${name}`));
[...names].filter((name) => before.later.has(keyOf(name))).sort().forEach((name) => console.log(`no longer for later: ${name}`));
writeList({ modules: new Set([...modules].map(keyOf)), later: new Set(idle.map(({ name }) => keyOf(name))) });
console.log(`${ran.size} functions of ${module.functions.length} ran: ${modules.size} modules, without ${idle.length} functions of theirs`);
