// The stage's views: tabs and keys change them, what is not shown is not there, and each shows what the cluster holds.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axe, boot, browser, newPage, server, standUp } from './harness.mjs';

standUp();

/** Opens the page, waits for the first lesson and a leader, stops time and runs these lines. */
async function open(t, lines = [], { url = server.url, ...options } = {}) {
  const page = await newPage(t, browser, options);
  await boot(page, url);
  await page.getByRole('heading', { name: 'Kill the leader' }).waitFor();
  await page.evaluate(async (lines) => {
    lab.pause();
    for (const line of lines) {
      const { code, stderr } = await lab.run(line);
      if (code) throw new Error(`${line}: ${stderr}`);
    }
    document.activeElement.blur();
  }, lines);
  return page;
}

const tab = (page, name) => page.getByRole('tablist', { name: 'Views', exact: true }).getByRole('tab', { name, exact: true });
const show = async (page, key) => {
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press(key);
};

const LIVES = ['etcdctl put /shelf/a one', 'etcdctl put /shelf/b 1', 'etcdctl put /shelf/a two', 'etcdctl del /shelf/a',
  'etcdctl put /shelf/a three', 'etcdctl put /shelf/b 2'];

test('tabs and number keys change the view, and what is not shown is not there', async (t) => {
  const page = await open(t);
  assert.equal(await tab(page, 'Cluster').getAttribute('aria-selected'), 'true');
  await show(page, '3');
  await page.getByRole('region', { name: 'Revisions' }).waitFor();
  assert.equal(await tab(page, 'Revisions').getAttribute('aria-selected'), 'true');
  assert.equal(await page.locator('.cluster').count(), 0);
  for (const [key, name] of [['4', 'Keys'], ['5', 'Watches']]) {
    await show(page, key);
    await page.getByRole('region', { name, exact: true }).waitFor();
    assert.equal(await page.locator('.revisions').count(), 0);
  }
  await tab(page, 'Watches').focus();
  await page.keyboard.press('Home');
  await page.locator('.cluster').waitFor();
  assert.ok(await tab(page, 'Cluster').evaluate((element) => element === document.activeElement));
  await page.keyboard.press('ArrowRight');
  await page.getByRole('region', { name: 'Sequence' }).waitFor();
  await page.keyboard.press('ArrowRight');
  await page.getByRole('region', { name: 'Revisions' }).waitFor();
  assert.equal(await tab(page, 'Cluster').getAttribute('tabindex'), '-1');
});

test('the view is remembered, and a lesson brings its own', async (t) => {
  const page = await open(t);
  await show(page, '4');
  await page.getByRole('region', { name: 'Keys', exact: true }).waitFor();
  await page.reload();
  await page.getByRole('region', { name: 'Keys', exact: true }).waitFor();
  await page.evaluate(() => document.activeElement.blur());
  await page.getByRole('button', { name: 'this one' }).first().click();
  await page.locator('.cluster .member.selected').waitFor();
});

test('a wide stage holds two views side by side', async (t) => {
  const page = await open(t, LIVES, { viewport: { width: 1920, height: 1000 } });
  await page.getByRole('button', { name: 'Side by side' }).click();
  await page.getByRole('tablist', { name: 'Views beside' }).getByRole('tab', { name: 'Keys' }).click();
  await page.getByRole('region', { name: 'Keys', exact: true }).waitFor();
  await page.locator('.cluster').waitFor();
  // Asked for what the other half has, they change places.
  await tab(page, 'Keys').click();
  assert.equal(await page.locator('.stage-half').nth(1).locator('.cluster').count(), 1);
  await page.getByRole('button', { name: 'Only one view' }).click();
  assert.equal(await page.locator('.stage-half').count(), 1);
});

test('revisions are drawn, and a cut reads the past', async (t) => {
  const page = await open(t, LIVES);
  await show(page, '3');
  const row = page.getByRole('option', { name: /^\/shelf\/a / });
  await row.waitFor();
  assert.deepEqual([await row.locator('.create').count(), await row.locator('.put').count(), await row.locator('.delete').count()], [2, 1, 1]);
  assert.match(await row.textContent(), /v1 three/);
  await row.click({ position: { x: 20, y: 10 } });
  const handle = page.getByRole('slider', { name: 'Revision that is read' });
  await handle.focus();
  for (let n = 0; n < 3; n++) await page.keyboard.press('ArrowLeft');
  assert.equal(await handle.getAttribute('aria-valuenow'), '4');
  assert.match(await row.textContent(), /v2 two/);
  await page.getByText('get --rev=4 sees this cut').waitFor();
  await page.locator('.revisions-told').getByText('version 2, written at 4').waitFor();
  // As the real command says.
  await page.getByRole('button', { name: 'Run: etcdctl get /shelf/a --rev=4' }).waitFor();
  assert.match((await page.evaluate(() => lab.run('etcdctl get /shelf/a --rev=4'))).stdout, /two/);
  // A read in a terminal moves the cut.
  await page.evaluate(() => lab.run('etcdctl get /shelf/b --rev=3'));
  await page.getByText('get --rev=3 sees this cut').waitFor();
  await handle.focus();
  await page.keyboard.press('End');
  assert.equal(await handle.getAttribute('aria-valuenow'), '7');
});

test('a mark selects the entry that made it, everywhere', async (t) => {
  const page = await open(t, LIVES);
  await show(page, '3');
  await page.getByRole('option', { name: /^\/shelf\/b / }).locator('.mark').first().click();
  await page.locator('.revisions .mark.selected').waitFor();
  await page.locator('.inspector').getByText('put "/shelf/b", 1 byte').first().waitFor();
  await show(page, '1');
  await page.locator('.cluster .cell-ring').waitFor();
});

test('compaction draws a tide line and a read below it is refused', async (t) => {
  const page = await open(t, [...LIVES, 'etcdctl compact 6']);
  await show(page, '3');
  await page.getByText('compacted at 6', { exact: true }).waitFor();
  const row = page.getByRole('option', { name: /^\/shelf\/a / });
  assert.equal(await row.locator('.mark.gone').count(), 3);
  await row.click({ position: { x: 20, y: 10 } });
  const handle = page.getByRole('slider', { name: 'Revision that is read' });
  await handle.focus();
  for (let n = 0; n < 3; n++) await page.keyboard.press('ArrowLeft');
  await page.getByText('mvcc: required revision has been compacted').waitFor();
  const { stderr } = await page.evaluate(() => lab.run('etcdctl get /shelf/a --rev=4'));
  assert.match(stderr, /required revision has been compacted/);
});

test('keys are a tree; the chosen one shows its bytes, numbers, change and past', async (t) => {
  const page = await open(t, [...LIVES, `etcdctl put /registry/pods/web '{"kind":"Pod","phase":"Pending"}'`,
    `etcdctl put /registry/pods/web '{"kind":"Pod","phase":"Running"}'`]);
  await show(page, '4');
  const tree = page.getByRole('tree', { name: 'Keys of the store' });
  await tree.getByRole('treeitem', { name: /^\/registry\/.*1 key/ }).waitFor();
  await tree.focus();
  for (let n = 0; n < 3; n++) await page.keyboard.press('ArrowDown');
  const sheet = page.getByRole('region', { name: 'The chosen key' });
  await sheet.getByRole('heading', { name: '/registry/pods/web' }).waitFor();
  await sheet.getByRole('tab', { name: 'JSON' }).waitFor();
  assert.match(await sheet.locator('.keys-text').textContent(), /^\{\n {2}"kind": "Pod",\n {2}"phase": "Running"\n\}$/);
  await sheet.getByRole('tab', { name: 'Bytes' }).click();
  assert.match(await sheet.locator('.keys-hex').textContent(), /^0000 {2}7b 22 6b 69 6e 64 22 3a {2}22 50 6f 64 22 2c 22 70 {2}\{"kind":"Pod","p/);
  await sheet.getByRole('tab', { name: 'Diff 8 → 9' }).click();
  assert.deepEqual(await sheet.locator('.keys-diff :is(.added, .removed)').allTextContents(), ['− removed:   "phase": "Pending"', '+ added:   "phase": "Running"']);
  await sheet.getByRole('tab', { name: 'History' }).click();
  await sheet.getByRole('button', { name: /^8 ?version 1/ }).click();
  await page.getByText('Read at revision 8.').waitFor();
  assert.match(await sheet.locator('.keys-facts').textContent(), /create_revision8.*mod_revision8.*version1.*lease0/);
  await page.getByRole('button', { name: 'Back to the newest' }).click();
  await page.getByRole('searchbox', { name: 'Filter keys' }).fill('/b');
  await tree.getByRole('treeitem', { name: /^b rev 7/ }).waitFor();
  assert.equal(await tree.getByRole('treeitem').count(), 2);
});

test('many keys cost only the rows that are seen', async (t) => {
  const page = await open(t, ['for i in $(seq 1 300); do etcdctl put /many/$i $i; done']);
  await show(page, '3');
  await page.getByText('300 keys').waitFor();
  assert.ok(await page.locator('.revisions-row').count() < 60);
  await page.locator('.revisions-rows').evaluate((rows) => { rows.scrollTop = rows.scrollHeight; });
  await page.getByRole('option', { name: /^\/many\/99 / }).waitFor();
  await page.getByRole('checkbox', { name: 'Written here' }).check();
  await page.getByText(/\d+ of 300 keys/).waitFor();
  await show(page, '4');
  await page.getByText('300 keys', { exact: false }).first().waitFor();
  assert.ok(await page.getByRole('treeitem').count() < 80);
  await page.getByRole('button', { name: 'Fold all' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.keys-row').length === 1);
});

test('a watch is seen where it is served, and catches up', async (t) => {
  const page = await open(t, LIVES);
  await show(page, '5');
  await page.getByText('Nobody watches').waitFor();
  await page.evaluate(() => {
    lab.input('line 2 etcdctl watch --prefix /shelf/ --rev=2 --prev-kv');
    lab.seek(lab.now() + 300);
  });
  const watcher = page.locator('.watcher');
  await watcher.getByText('synced').waitFor();
  assert.match(await watcher.textContent(), /\/shelf\/ and every key that begins so/);
  assert.match(await watcher.textContent(), /from revision 2 · next 8 · prev_kv · 6 events received, the last of revision 7/);
  await page.getByText('Stream to terminal 2').waitFor();
  await page.evaluate(async () => {
    await lab.run('etcdctl put /shelf/c 1');
    lab.seek(lab.now() + 100);
  });
  await watcher.getByText(/next 9 .* 7 events received/).waitFor();
});

test('with everything powered off each view says what would be there', async (t) => {
  const page = await open(t, [...LIVES, 'lab power-off etcd-1; lab power-off etcd-2; lab power-off etcd-3']);
  for (const key of ['3', '4', '5']) {
    await show(page, key);
    await page.locator('.empty').getByText('No member runs').waitFor();
    await page.getByRole('button', { name: 'Run: lab power-on etcd-1' }).waitFor();
  }
  await page.getByRole('button', { name: 'Run: lab power-on etcd-1' }).click();
  await page.evaluate(() => lab.play());
  await page.locator('.empty').getByText('No member runs').waitFor({ state: 'detached', timeout: 20_000 });
});

for (const colorScheme of ['light', 'dark']) {
  test(`an accessibility scan of the views finds nothing serious, ${colorScheme}`, async (t) => {
    const page = await open(t, [...LIVES, 'etcdctl compact 4'], { colorScheme });
    await page.evaluate(() => {
      lab.input('line 2 etcdctl watch --prefix /shelf/');
      lab.seek(lab.now() + 300);
    });
    for (const key of ['3', '4', '5']) {
      await show(page, key);
      await page.locator('.revisions-row, .keys-row[aria-level="2"], .watcher').first().click({ position: { x: 30, y: 10 } });
      assert.deepEqual(await axe(page, '.pane-stage'), [], `view ${key}`);
    }
  });
}

for (const [width, height] of [[1440, 900], [1280, 720], [1024, 768], [390, 844]]) {
  test(`no view scrolls sideways at ${width}x${height}`, async (t) => {
    const page = await open(t, LIVES, { viewport: { width, height } });
    for (const key of ['1', '3', '4', '5']) {
      await show(page, key);
      const wide = await page.evaluate(() => [document.documentElement, document.querySelector('.stage-view')]
        .map((element) => element.scrollWidth - element.clientWidth));
      assert.deepEqual(wide, [0, 0], `view ${key}`);
    }
  });
}
