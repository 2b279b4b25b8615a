// The page's code comes in two files: the first page needs only one of them, and code of the other is there when called.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { boot, launch, newPage, startServer } from './harness.mjs';

const REST = '**/*_rest.wasm';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

/** A leader is elected on screen, and the lesson is open. */
const stands = (page) => page.waitForFunction(() => document.querySelector('.cluster')?.textContent.includes('leader')
  && document.querySelector('.lesson-step'));

test('the first page needs nothing of the second file', async (t) => {
  const server = await startServer(t);
  const page = await newPage(t, browser, { expected: [/_rest\.wasm/] });
  const asked = [];
  await page.route(REST, (route) => {
    asked.push(route.request().resourceType());
    return route.abort();
  });
  await boot(page, server.url);
  await stands(page);
  await page.waitForTimeout(1_000);
  // Tried in the background, and by no call from the first part.
  assert.ok(asked.length > 0 && asked.every((type) => type === 'fetch'),
    `asked by ${asked.join()}: tools/split/first-page.txt is stale; \`make split\` writes it anew and names what it lacked`);
});

test('a call that comes before the second file waits for it', async (t) => {
  const server = await startServer(t);
  const page = await newPage(t, browser);
  const asked = [];
  await page.route(REST, async (route) => {
    const type = route.request().resourceType();
    asked.push(type);
    // The one in the background never comes.
    if (type === 'xhr') await route.continue();
  });
  await boot(page, server.url);
  await stands(page);
  const { stdout, code } = await page.evaluate(() => window.lab.run('etcdctl put a 1; etcdctl get a -w json | wc -l; etcdctl member list -w table'));
  assert.equal(code, 0);
  assert.match(stdout, /^OK\n/);
  assert.ok(asked.includes('xhr'), asked.join());
});

test('the second file comes by itself', async (t) => {
  const server = await startServer(t);
  const page = await newPage(t, browser);
  const [response] = await Promise.all([page.waitForResponse(REST), boot(page, server.url)]);
  assert.equal(response.status(), 200);
  assert.equal(await page.evaluate(async () => (await window.lab.run('etcdctl put a 1')).stdout), 'OK\n');
});
