// The view of metrics: a line for each member in every chart, values to be read off, alerts with their rules.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axe, boot, browser, newPage, server, standUp } from './harness.mjs';

standUp();

/** Opens the page, stops time, runs these lines, lets `ms` pass and shows the metrics. */
async function open(t, lines = [], { ms = 3000, ...options } = {}) {
  const page = await newPage(t, browser, options);
  await boot(page, server.url);
  await page.getByRole('heading', { name: 'Kill the leader' }).waitFor();
  await page.evaluate(async ([lines, ms]) => {
    lab.pause();
    for (const line of lines) {
      const { code, stderr } = await lab.run(line);
      if (code) throw new Error(`${line}: ${stderr}`);
    }
    lab.seek(lab.now() + ms);
    document.activeElement.blur();
  }, [lines, ms]);
  await page.keyboard.press('7');
  await page.getByRole('region', { name: 'Metrics', exact: true }).waitFor();
  return page;
}

const chart = (page, title) => page.locator('.chart').filter({ hasText: title });
const PUTS = 'for i in $(seq 10); do etcdctl put k $i; done';

test('every chart has a line and a value for each member', async (t) => {
  // A rate needs a sample before what it counts.
  const page = await open(t, ['sleep 2', PUTS]);
  assert.equal(await page.locator('.chart').count(), 8);
  const size = chart(page, 'Database').locator('.values');
  assert.match(await size.innerText(), /etcd-1\s+\d+\sKiB[^]*etcd-2[^]*etcd-3/);
  const drawn = await chart(page, 'Puts').locator('path').evaluateAll((paths) => paths.map((path) => path.getAttribute('d')));
  assert.equal(drawn.length, 3);
  // The ten puts are a hill: the line leaves the ground.
  assert.ok(drawn.every((d) => new Set(d.match(/(?<=[ML][\d.]+ )[\d.]+/g)).size > 1), drawn.join('\n'));
});

test('values are read off with the pointer and with the keyboard', async (t) => {
  const page = await open(t, [PUTS], { ms: 20_000 });
  const said = page.locator('.metrics .view-source');
  await chart(page, 'Puts').locator('.plot').hover({ position: { x: 5, y: 30 } });
  assert.match(await said.innerText(), /^Values at 0:0\d$/);
  assert.equal(await page.locator('.chart .cursor').count(), 8);
  await page.mouse.move(5, 5);
  assert.match(await said.innerText(), /^From 0:00 to /);
  await page.getByRole('region', { name: /^Charts/ }).focus();
  await page.keyboard.press('End');
  const last = await said.innerText();
  await page.keyboard.press('ArrowLeft');
  assert.notEqual(await said.innerText(), last);
  await page.keyboard.press('Escape');
  assert.match(await said.innerText(), /^From 0:00 to /);
});

test('a slow disk fires an alert that says its rule, and going back in time takes it away', async (t) => {
  const page = await open(t, ['lab slow-disk etcd-2 300x', PUTS], { ms: 5000 });
  const alert = page.locator('.alert').filter({ hasText: 'etcdHighFsyncDurations' });
  await alert.waitFor();
  assert.match(await alert.innerText(), /histogram_quantile\(0\.99[^]*> 0\.1[^]*etcd-2/);
  await page.evaluate(() => lab.seek(1500));
  await alert.waitFor({ state: 'detached' });
  await page.evaluate(() => lab.seek(0));
  await page.locator('.empty').getByText('Nothing is measured yet').waitFor();
  await page.getByRole('button', { name: /^Run: curl/ }).waitFor();
});

for (const colorScheme of ['light', 'dark']) {
  test(`an accessibility scan finds nothing serious, ${colorScheme}`, async (t) => {
    const page = await open(t, ['lab slow-disk etcd-2 300x', PUTS], { ms: 5000, colorScheme });
    await page.getByRole('region', { name: /^Charts/ }).focus();
    await page.keyboard.press('ArrowLeft');
    assert.deepEqual(await axe(page, '.pane-stage'), []);
  });
}

for (const [width, height] of [[1440, 900], [1024, 768], [390, 844]]) {
  test(`nothing scrolls sideways at ${width}x${height}`, async (t) => {
    const page = await open(t, [PUTS], { viewport: { width, height } });
    const wide = await page.evaluate(() => [document.documentElement, ...document.querySelectorAll('.stage-view, .metrics-body')]
      .map((element) => element.scrollWidth - element.clientWidth));
    assert.ok(wide.every((over) => over === 0), `${wide}`);
  });
}
