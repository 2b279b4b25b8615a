// Draws the PNG icons from assets/icons/icon.svg. Needed only when the drawing changes; the results are committed.

import { readFileSync, writeFileSync } from 'node:fs';
import { launch } from '../tests/browser/harness.mjs';

const drawing = readFileSync('assets/icons/icon.svg', 'utf8');
// A launcher may cut a maskable icon to any shape inside the middle 80 %: full paper, smaller drawing.
const maskable = drawing.replace('viewBox="0 0 64 64"', 'viewBox="-8 -8 80 80"')
  .replace('<rect width="64" height="64" rx="14"', '<rect x="-8" y="-8" width="80" height="80"');
const browser = await launch();
for (const [file, svg, size] of [
  ['favicon-32.png', drawing, 32],
  ['icon-192.png', drawing, 192],
  ['icon-512.png', drawing, 512],
  ['maskable-512.png', maskable, 512],
]) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  await page.setContent(`<style>body { margin: 0 } svg { display: block; width: 100vw; height: 100vh }</style>${svg}`);
  writeFileSync(`assets/icons/${file}`, await page.screenshot({ omitBackground: true }));
  await page.close();
}
await browser.close();
