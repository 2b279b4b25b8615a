// A snapshot of a real cluster, opened in the page: chosen or dropped, never sent anywhere, refused if it is damaged.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { boot, browser, newPage, server, standUp } from './harness.mjs';

const FILE = join(dirname(fileURLToPath(import.meta.url)), '..', 'testdata', 'etcd', 'snapshots', 'snap_small.db');

standUp();

const notice = (page, words) => page.locator('.notice').filter({ hasText: words }).first();

/** Chooses files as the World menu does. */
async function choose(page, files) {
  await page.getByRole('button', { name: 'World', exact: true }).click();
  await page.locator('#menu-world input[type=file]').setInputFiles(files);
}

/** Drops a file onto the page. */
async function drop(page, name, bytes) {
  const transfer = await page.evaluateHandle(([name, bytes]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], name));
    return transfer;
  }, [name, [...bytes]]);
  for (const event of ['dragover', 'drop']) await page.dispatchEvent('body', event, { dataTransfer: transfer });
}

const run = (page, line) => page.evaluate((text) => lab.run(text), line);

test('it opens in a fresh cluster, stays on the machine, and a saved world asks for it again', async (t) => {
  const page = await newPage(t, browser);
  await boot(page, server.url);
  await page.locator('.lesson-step').first().waitFor();
  const sent = [];
  page.context().on('request', (request) => request.method() !== 'GET' && sent.push(request.url()));
  await choose(page, FILE);
  await notice(page, '8 keys at revision 16').waitFor();
  await page.waitForFunction(() => lab.now() > 2000);
  const { stdout } = await run(page, 'etcdctl get cfg/2 -w fields');
  assert.match(stdout, /"ModRevision" : 8\n"Version" : 2\n"Value" : "second"/);
  assert.equal((await run(page, 'etcdctl put after here')).stdout, 'OK\n');
  const members = await run(page, 'etcdctl member list | wc -l');
  assert.equal(members.stdout.trim(), '3');
  await page.evaluate(() => lab.pause());
  const hash = await page.evaluate(() => lab.hash());
  const text = await page.evaluate(() => lab.link());
  assert.deepEqual(sent, []);

  // Somewhere else: the link says which file it began from, and opens when that is there.
  const other = await newPage(t, browser);
  await boot(other, text);
  await notice(other, 'open that file first').waitFor();
  await drop(other, 'backup.db', readFileSync(FILE));
  await other.waitForFunction((expected) => lab.hash() === expected, hash);
});

test('damage is refused with the reason, and the world stays', async (t) => {
  const page = await newPage(t, browser);
  await boot(page, server.url);
  // The first lesson brings a world of its own.
  await page.locator('.lesson-step').first().waitFor();
  await run(page, 'etcdctl put mine 1');
  const bytes = readFileSync(FILE);
  bytes[9000] ^= 1;
  await choose(page, { name: 'bad.db', mimeType: 'application/octet-stream', buffer: bytes });
  await notice(page, 'bad.db could not be opened: expected sha256').waitFor();
  await drop(page, 'short.db', bytes.subarray(0, 4096));
  await notice(page, 'snapshot missing hash but --skip-hash-check=false').waitFor();
  await drop(page, 'holiday.jpg', new Uint8Array(5000));
  await notice(page, 'holiday.jpg could not be opened').waitFor();
  assert.equal((await run(page, 'etcdctl get mine --print-value-only')).stdout, '1\n');
});
