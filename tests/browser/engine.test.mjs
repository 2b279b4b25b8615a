// The engine in the browser is the engine: same inputs, same bytes as native, and as little afraid of large input.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { boot, browser, newPage, server, standUp } from './harness.mjs';

const data = join(dirname(fileURLToPath(import.meta.url)), '..', 'testdata', 'lab');
standUp();

test('two hundred recorded inputs end in the state that native code ends in', async (t) => {
  const page = await newPage(t, browser);
  await boot(page, server.url);
  await page.waitForFunction(() => window.lab);
  const world = readFileSync(join(data, 'two-hundred-inputs.lab'), 'utf8');
  const native = readFileSync(join(data, 'two-hundred-inputs.hash'), 'utf8').trim();
  const moment = Number(world.match(/^moment (\d+)/m)[1]) / 1000;
  await page.evaluate((text) => { lab.pause(); lab.open(text); }, world);
  // Opening happens a breath later; the world is paused, so it stays at its moment.
  await page.waitForFunction((ms) => lab.now() === ms, moment);
  assert.equal(await page.evaluate(() => lab.hash()), native);
});

test('values beyond the limits are refused, ten thousand keys are not', { timeout: 120_000 }, async (t) => {
  const page = await newPage(t, browser);
  await boot(page, server.url);
  await page.waitForFunction(() => window.lab);
  const run = (line) => page.evaluate((text) => { lab.pause(); return lab.run(text); }, line);
  assert.match((await run(`etcdctl put big ${'x'.repeat(2 << 20)}`)).stderr, /line too long/);
  assert.match((await run('(seq 100000; seq 100000; seq 70000) | etcdctl put big')).stderr, /etcdserver: request is too large/);
  assert.equal((await run('etcdctl get big')).stdout, '');
  const written = await run('for i in $(seq 10000); do etcdctl put key-$i $i; done');
  assert.equal(written.code, 0);
  assert.equal((await run('etcdctl get --prefix key- --keys-only --limit=1')).stdout, 'key-1\n\n');
});
