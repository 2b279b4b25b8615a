// Pictures of the page for a human to judge: both themes at the four sizes every screen must hold.
//
//   node tools/shots.mjs FOLDER [--url URL] [--wait MS] [--only light-1440x900,…] [--eval JS] [STEP…]
//
// Each STEP is a line for the terminal, run through `window.lab.run` before the picture is taken; `pause`, `play` and
// `seek:MS` are the lab's own. Without --url the built page in dist/ is served and used. Files: THEME-WIDTHxHEIGHT.png.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { boot, launch, startServer } from '../tests/browser/harness.mjs';

const SIZES = [[1440, 900], [1280, 720], [1024, 768], [390, 844]];

const { values, positionals } = parseArgs({
  options: {
    url: { type: 'string' },
    wait: { type: 'string', default: '500' },
    only: { type: 'string' },
    eval: { type: 'string' },
  },
  allowPositionals: true,
});
const [folder, ...steps] = positionals;
if (!folder) {
  console.error('usage: node tools/shots.mjs FOLDER [--url URL] [--wait MS] [--only light-1440x900,…] [--eval JS] [STEP…]');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });

const server = values.url ? null : await startServer();
const browser = await launch();
try {
  for (const colorScheme of ['light', 'dark']) {
    for (const [width, height] of SIZES) {
      const name = `${colorScheme}-${width}x${height}`;
      if (values.only && !values.only.split(',').includes(name)) continue;
      const page = await browser.newPage({ viewport: { width, height }, colorScheme });
      page.on('pageerror', (error) => console.error(`${name}: page error: ${error.message}`));
      page.on('console', (message) => {
        if (message.type() === 'error') console.error(`${name}: console: ${message.text()}`);
      });
      await boot(page, values.url ?? server.url);
      for (const step of steps) await run(page, step);
      if (values.eval) await page.evaluate(values.eval);
      await page.evaluate(() => document.fonts.ready);
      await page.waitForTimeout(Number(values.wait));
      await page.screenshot({ path: join(folder, `${name}.png`) });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      console.log(`${join(folder, `${name}.png`)}${wide > 0 ? `  scrolls sideways by ${wide} px` : ''}`);
      await page.close();
    }
  }
} finally {
  await browser.close();
  await server?.kill();
}

async function run(page, step) {
  const result = await page.evaluate(async (line) => {
    if (!window.lab) return { missing: true };
    if (line === 'pause' || line === 'play') return window.lab[line]();
    if (line.startsWith('seek:')) return window.lab.seek(Number(line.slice(5)));
    return window.lab.run(line);
  }, step);
  if (result?.missing) throw new Error('this page has no window.lab to run steps with');
  if (result?.code) console.error(`${step}: exit code ${result.code}: ${result.stderr}`);
}
