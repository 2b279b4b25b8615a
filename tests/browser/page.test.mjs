// The page as it is shipped: it starts, anyone can use it, it is small.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUDGET_BYTES, firstPage } from '../../tools/size.mjs';
import { axe, boot, browser, DIST, newPage, server, standUp } from './harness.mjs';

standUp();

test('the release page starts under a sub-path without a console error', async (t) => {
  const page = await newPage(t, browser);
  await boot(page, server.url);
  assert.equal(await page.locator('h1').first().textContent(), 'Control Plane Lab');
});

test('it asks nothing of any other host, nor of any path but its own', async (t) => {
  const page = await newPage(t, browser);
  const strangers = [];
  page.context().on('request', (request) => {
    if (!request.url().startsWith(server.url) && !request.url().startsWith('data:')) strangers.push(request.url());
  });
  await boot(page, server.url);
  await page.evaluate(() => document.fonts.ready);
  assert.deepEqual(strangers, []);
});

test('its own fonts are the ones it is set in', async (t) => {
  const page = await newPage(t, browser);
  await boot(page, server.url);
  assert.ok(await page.evaluate(async () => {
    await document.fonts.ready;
    return [...document.fonts].some((face) => face.family.includes('Lab Serif') && face.status === 'loaded');
  }));
});

test('an inline script is refused by the page', async (t) => {
  const page = await newPage(t, browser, { expected: [/Content Security Policy/] });
  await boot(page, server.url);
  assert.equal(await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'globalThis.injected = true';
    document.body.append(script);
    return globalThis.injected === true;
  }), false);
});

for (const colorScheme of ['light', 'dark']) {
  test(`an accessibility scan finds nothing serious, ${colorScheme}`, async (t) => {
    const page = await newPage(t, browser, { colorScheme });
    await boot(page, server.url);
    assert.deepEqual(await axe(page), []);
  });
}

test('what a browser without WebAssembly gets is a sentence', async (t) => {
  const page = await newPage(t, browser, { expected: [/WebAssembly/] });
  await page.addInitScript(() => delete globalThis.WebAssembly);
  await page.goto(server.url);
  await page.getByRole('alert').waitFor();
  assert.match(await page.getByRole('alert').textContent(), /could not start/);
});

test('the manifest and its icons load, so that the page can be installed', async (t) => {
  const page = await newPage(t, browser);
  await boot(page, server.url);
  const sizes = await page.evaluate(async () => {
    const at = document.querySelector('link[rel=manifest]').href;
    const { icons } = await (await fetch(at)).json();
    return Promise.all(icons.map(async ({ src, sizes }) => {
      const image = new Image();
      image.src = new URL(src, at).href;
      await image.decode();
      return sizes === 'any' || sizes === `${image.naturalWidth}x${image.naturalHeight}`;
    }));
  });
  assert.deepEqual(sizes, [true, true, true, true]);
});

test('the first page is within its download budget', (t) => {
  const { total } = firstPage(DIST);
  t.diagnostic(`${total} bytes with brotli, of ${BUDGET_BYTES}`);
  assert.ok(total <= BUDGET_BYTES, `${total} bytes`);
});
