// The bench as a student uses it: by keyboard and mouse, back and forth in time, out of the page and back again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axe, boot, browser, newPage, server, standUp } from './harness.mjs';

standUp();

/** Opens the page and waits for the first lesson. */
async function open(t, { url = server.url, ...options } = {}) {
  const page = await newPage(t, browser, options);
  await boot(page, url);
  await page.getByRole('heading', { name: 'Kill the leader' }).waitFor();
  return page;
}

const log = (page, number = 1) => page.getByRole('log', { name: `Output of terminal ${number}` });

/** Types into terminal 1 as a person does, and waits for `expected` in its output. */
async function type(page, line, expected) {
  await page.locator('#terminal-input-0').focus();
  await page.keyboard.type(line);
  await page.keyboard.press('Enter');
  await log(page).getByText(expected).first().waitFor({ timeout: 20_000 });
}

/** Without slow motion, which a test has no eyes for. */
async function faster(page) {
  await page.locator('body').press(']');
}

test('a command typed by keyboard is answered, completed and remembered', async (t) => {
  const page = await open(t);
  await faster(page);
  await page.keyboard.press('t');
  await page.keyboard.type('etcdc');
  await page.keyboard.press('Tab');
  await page.keyboard.type('put a 1');
  assert.equal(await page.locator('#terminal-input-0').inputValue(), 'etcdctl put a 1');
  await page.keyboard.press('Enter');
  await log(page).getByText('OK').waitFor({ timeout: 20_000 });
  await page.keyboard.press('ArrowUp');
  assert.equal(await page.locator('#terminal-input-0').inputValue(), 'etcdctl put a 1');
  await page.keyboard.press('Control+c');
  await type(page, 'nosuch', 'bash: nosuch: command not found');
  await log(page).getByText('exit status 127').waitFor();
});

test('a watch runs until it is interrupted', async (t) => {
  const page = await open(t);
  await faster(page);
  await page.locator('#terminal-input-1').focus();
  await page.keyboard.type('etcdctl watch --prefix /a');
  await page.keyboard.press('Enter');
  await page.getByText('runs a program').waitFor();
  await type(page, 'etcdctl put /a/b 1', 'OK');
  await log(page, 2).getByText('PUT').waitFor();
  await page.locator('#terminal-input-1').focus();
  await page.keyboard.press('Control+c');
  await page.getByText('runs a program').waitFor({ state: 'detached' });
});

test('a step of the lesson ticks when its command is clicked, and unticks when time goes back', async (t) => {
  const page = await open(t);
  await faster(page);
  await page.getByRole('button', { name: /^Run: etcdctl endpoint status/ }).first().click();
  await page.locator('.lesson-step.done').first().waitFor({ timeout: 20_000 });
  await page.evaluate(() => { lab.pause(); lab.seek(0); });
  await page.locator('.lesson-step.done').first().waitFor({ state: 'detached' });
  await page.evaluate(() => lab.seek(60_000));
  await page.locator('.lesson-step.done').first().waitFor();
});

test('the keys play, step, rewind and help, and leave fields alone', async (t) => {
  const page = await open(t);
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('Space');
  await page.getByRole('button', { name: 'Play' }).waitFor();
  const before = await page.evaluate(() => lab.now());
  await page.keyboard.press('.');
  const stepped = await page.evaluate(() => [lab.now(), lab.hash()]);
  assert.ok(stepped[0] >= before);
  await page.keyboard.press('.');
  await page.keyboard.press(',');
  assert.equal(await page.evaluate(() => lab.hash()), stepped[1]);
  await page.keyboard.press('Home');
  assert.equal(await page.evaluate(() => lab.now()), 0);
  await page.keyboard.press('t');
  await page.keyboard.type('a b.');
  assert.equal(await page.evaluate(() => lab.now()), 0);
  assert.equal(await page.locator('#terminal-input-0').inputValue(), 'a b.');
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor({ state: 'hidden' });
});

test('acting in the past begins a branch and says so', async (t) => {
  const page = await open(t);
  await page.evaluate(async () => {
    lab.pause();
    await lab.run('etcdctl put a 1');
    lab.seek(lab.now() - 500);
    await lab.run('etcdctl put a 2');
  });
  await page.getByText('You changed the past: this is branch 2.').waitFor();
  assert.match((await page.evaluate(() => lab.run('etcdctl get a'))).stdout, /a\n2\n/);
});

test('a copied link brings the same world to another browser', async (t) => {
  const page = await open(t);
  const [link, hash] = await page.evaluate(async () => {
    lab.pause();
    await lab.run('etcdctl put a 1');
    lab.input('fault power-off etcd-1');
    lab.seek(lab.now() + 2_000);
    return [lab.link(), lab.hash()];
  });
  const other = await open(t, { url: link });
  await log(other).getByText('etcdctl put a 1').waitFor();
  assert.equal(await other.evaluate(() => lab.hash()), hash);
});

test('a world comes back when the page is opened again', async (t) => {
  const page = await open(t);
  const hash = await page.evaluate(async () => {
    lab.pause();
    await lab.run('etcdctl put a kept');
    return lab.hash();
  });
  await page.reload();
  await log(page).getByText('etcdctl put a kept').waitFor();
  assert.equal(await page.evaluate(() => lab.hash()), hash);
  await page.getByRole('heading', { name: 'Kill the leader' }).waitFor();
});

test('a damaged link is refused with a reason, and loses nothing', async (t) => {
  const page = await open(t, { url: `${server.url}#w=AAAA_not_a_world` });
  await page.getByText('The link could not be opened').waitFor();
  assert.equal((await page.evaluate(() => lab.run('etcdctl put a 1'))).stdout, 'OK\n');
  await page.getByRole('button', { name: 'Dismiss' }).click();
  await page.getByText('The link could not be opened').waitFor({ state: 'detached' });
});

test('a saved world that cannot be read is put by, and a new one begins', async (t) => {
  // Shown by itself, the manifest makes the browser ask for an icon that is not there.
  const page = await open(t, { expected: [/favicon/] });
  await page.evaluate(async () => {
    lab.pause();
    await lab.run('etcdctl put a 1');
  });
  await page.goto('about:blank');
  await page.goto(`${server.url}manifest.webmanifest`);
  await page.evaluate(() => {
    const key = Object.keys(localStorage).find((key) => key.endsWith(' world'));
    localStorage.setItem(key, 'lesson= playing=true\ncontrol-plane-lab 1\nseed x\n');
  });
  await boot(page, server.url);
  await page.getByText('Your saved world could not be opened: line 2: seed "x"').waitFor();
  await page.getByRole('heading', { name: 'Kill the leader' }).waitFor();
});

test('a lesson with mistakes shows them with their places, and the world stays', async (t) => {
  const page = await newPage(t, browser, { serviceWorkers: 'block' });
  await page.route('**/lesson.md', (route) => route.fulfill({ body: '---\ntitle: X\n---\n## One\n```check\n1 +\n```\n' }));
  await boot(page, server.url);
  await page.getByRole('heading', { name: 'This lesson cannot be shown' }).waitFor();
  assert.match(await page.locator('.problems').textContent(), /lesson\.md:7/);
  assert.equal((await page.evaluate(() => lab.run('etcdctl put a 1'))).stdout, 'OK\n');
});

for (const [width, height] of [[1440, 900], [1024, 768], [390, 844]]) {
  test(`nothing scrolls sideways at ${width}x${height}`, async (t) => {
    const page = await open(t, { viewport: { width, height } });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    if (width < 760) {
      await page.getByRole('tab', { name: 'Terminal', exact: true }).click();
      assert.ok(await page.locator('#terminal-input-0').isVisible());
    }
  });
}

for (const colorScheme of ['light', 'dark']) {
  test(`an accessibility scan of the bench at work finds nothing serious, ${colorScheme}`, async (t) => {
    const page = await open(t, { colorScheme });
    await page.evaluate(async () => {
      lab.pause();
      await lab.run('etcdctl put a 1; nosuch');
    });
    assert.deepEqual(await axe(page), []);
  });
}

test('a world of another size opens, and a smaller one after it', async (t) => {
  const page = await open(t);
  for (const members of [7, 1, 5]) {
    await page.getByRole('button', { name: 'World', exact: true }).click();
    await page.getByRole('button', { name: 'New world' }).click();
    await page.getByRole('group', { name: 'Members' }).getByRole('radio', { name: String(members), exact: true }).check();
    await page.getByRole('button', { name: 'Begin', exact: true }).click();
    await page.waitForFunction((count) => document.querySelectorAll('.cluster .member:not(.workstation)').length === count, members);
    await page.waitForFunction(() => document.querySelector('.cluster').textContent.includes('leader'));
  }
});
