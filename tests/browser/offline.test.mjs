// After one visit the page needs no server; a new build is taken as soon as there is one.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { boot, copyOfDist, DIST, launch, newPage, stampOf, startServer, workerInCharge } from './harness.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** What the browser itself says when a server is gone. */
const GONE = /ERR_CONNECTION_REFUSED|Failed to fetch/;

test('the page opens with its server killed', async (t) => {
  const server = await startServer(t);
  const page = await newPage(t, browser, { expected: [GONE] });
  await boot(page, server.url);
  await workerInCharge(page);
  await server.kill();
  await page.reload();
  await page.locator('h1').first().waitFor();
  assert.equal(await page.locator('h1').first().textContent(), 'Control Plane Lab');
  // Also by another way in, and with every file that the build has.
  await page.goto(`${server.url}index.html?from=a#bookmark`);
  await page.locator('h1').first().waitFor();
  const missing = await page.evaluate((files) => Promise.all(
    files.map((file) => fetch(file).then((response) => (response.ok ? null : file), () => file)),
  ), JSON.parse(readFileSync(join(DIST, 'sw.js'), 'utf8').match(/const BUILD = (.*);/)[1]).files);
  assert.deepEqual(missing.filter(Boolean), []);
});

test('without the service worker it does not, so the test above tells', async (t) => {
  const folder = copyOfDist(t);
  writeFileSync(join(folder, 'sw.js'), '');
  const server = await startServer(t, folder);
  const page = await newPage(t, browser, { expected: [/Failed to load resource/] });
  await boot(page, server.url);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await server.kill();
  await assert.rejects(page.reload(), /ERR_CONNECTION_REFUSED/);
});

test('a new build is there on the next load, and the old one is forgotten', async (t) => {
  const folder = copyOfDist(t);
  const server = await startServer(t, folder);
  const page = await newPage(t, browser);
  await boot(page, server.url);
  await workerInCharge(page);
  const first = stampOf(folder);

  const index = join(folder, 'index.html');
  writeFileSync(index, readFileSync(index, 'utf8').replace('<title>', '<title>New: '));
  writeFileSync(join(folder, 'sw.js'), readFileSync(new URL('../../assets/sw.js', import.meta.url)));
  execFileSync(process.execPath, [new URL('../../tools/stamp.mjs', import.meta.url).pathname, folder]);
  const second = stampOf(folder);
  assert.notEqual(second, first);

  await page.reload();
  assert.match(await page.title(), /^New: /);
  await workerInCharge(page, second);
  await page.waitForFunction(async (old) => !(await caches.keys()).some((name) => name.endsWith(old)), first);
});

test('an edited lesson is read anew, and its last text is kept for when the server is gone', async (t) => {
  const folder = copyOfDist(t);
  const server = await startServer(t, folder);
  const page = await newPage(t, browser, { expected: [GONE] });
  await boot(page, server.url);
  await workerInCharge(page);
  const file = readdirSync(join(folder, 'lessons')).find((name) => name.endsWith('.md'));
  const read = () => page.evaluate((name) => fetch(`lessons/${name}`).then((response) => response.text()), file);
  const before = await read();
  appendFileSync(join(folder, 'lessons', file), 'One more line.\n');
  assert.equal(await read(), `${before}One more line.\n`);
  await server.kill();
  assert.equal(await read(), `${before}One more line.\n`);
});

test('a server that accepts and never answers does not hold the page back', async (t) => {
  const server = await startServer(t);
  const page = await newPage(t, browser, { expected: [/Failed to load resource/] });
  await boot(page, server.url);
  await workerInCharge(page);
  await server.kill();
  const sockets = [];
  const silent = createServer((socket) => sockets.push(socket));
  t.after(() => {
    silent.close();
    for (const socket of sockets) socket.destroy();
  });
  await new Promise((resolve) => silent.listen(new URL(server.url).port, '127.0.0.1', resolve));
  await page.goto(server.url, { timeout: 10_000, waitUntil: 'commit' });
  await page.locator('h1').first().waitFor({ timeout: 10_000 });
});
