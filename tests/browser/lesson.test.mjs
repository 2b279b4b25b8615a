// The whole first lesson as a student does it, in one sitting: by keyboard and mouse, to its end, back in time, into
// another future, into another browser, and with the server gone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axe, boot, browser, newPage, server, standUp, workerInCharge } from './harness.mjs';

standUp();

test('the lesson "Kill the leader", from its first step to its last', { timeout: 240_000 }, async (t) => {
  const page = await newPage(t, browser);
  await boot(page, server.url);
  await page.getByRole('heading', { name: 'Kill the leader' }).waitFor();
  await workerInCharge(page);
  const step = (number) => page.locator('.lesson-steps > li').nth(number - 1);
  const done = (count) => page.locator('.lesson-steps > li.done').nth(count - 1).waitFor({ timeout: 40_000 });
  const click = (number, name) => step(number).getByRole('button', { name }).first().click();
  const terminal = page.locator('#terminal-input-0');
  const idle = () => page.waitForFunction(() => !document.querySelector('#terminal')?.textContent.includes('runs a program'));

  // Within a second and a half of opening there is a leader, drawn and named.
  await page.getByRole('button', { name: /leader/ }).first().waitFor({ timeout: 5_000 });
  // Slow motion is for eyes.
  await page.locator('body').press(']');

  await click(1, /^Run: etcdctl endpoint status/);
  await done(1);

  // This one is typed by hand.
  await idle();
  await terminal.focus();
  await page.keyboard.type('etcdctl put survivor "by hand"');
  await page.keyboard.press('Enter');
  await done(2);

  // A bet, by keyboard; then the power.
  await step(3).getByRole('radio').nth(1).focus();
  await page.keyboard.press('Space');
  await step(3).getByText('(right)').waitFor();
  await click(3, /^Do it: .*power-off/);
  await done(4);

  await idle();
  await click(5, /^Run: etcdctl get survivor/);
  await page.getByRole('log', { name: 'Output of terminal 1' }).getByText('by hand').last().waitFor({ timeout: 20_000 });
  await idle();
  await click(5, /^Run: etcdctl put meanwhile/);
  await done(5);

  await step(6).getByRole('radio').nth(1).click();
  await click(6, /^Do it: .*power-on/);
  await done(6);

  const end = await page.evaluate(() => { lab.pause(); return { now: lab.now(), hash: lab.hash(), link: lab.link() }; });

  // Back by keyboard, on the playhead itself: the checks go back with it.
  await page.getByRole('slider', { name: 'Playhead' }).focus();
  await page.keyboard.press('Home');
  await page.locator('.lesson-steps > li.done').first().waitFor({ state: 'detached' });
  // And forward again, to the same bytes.
  await page.evaluate((now) => lab.seek(now), end.now);
  assert.equal(await page.evaluate(() => lab.hash()), end.hash);
  await done(6);

  // Another future: the first leader is spared.
  await page.evaluate(() => lab.seek(2_500));
  await terminal.focus();
  await page.keyboard.type('etcdctl put fork taken');
  await page.keyboard.press('Enter');
  await page.getByText('You changed the past').waitFor();
  await page.evaluate(() => lab.play());
  await page.getByRole('log', { name: 'Output of terminal 1' }).getByText('etcdctl put fork taken').waitFor();
  await idle();
  await page.evaluate(() => lab.pause());
  await page.evaluate(() => lab.run('etcdctl get fork'));
  assert.notEqual(await page.evaluate(() => lab.hash()), end.hash);

  // The copied link is the lesson's end, in a browser that never saw it.
  const other = await newPage(t, browser);
  await other.goto(end.link);
  await other.waitForFunction((now) => window.lab?.now() === now, end.now);
  assert.equal(await other.evaluate(() => lab.hash()), end.hash);

  // Nothing that a screen reader or a keyboard would stumble over.
  assert.deepEqual(await axe(page), []);

  // The server dies; the page does not.
  await server.kill();
  await page.reload();
  await page.getByRole('heading', { name: 'Kill the leader' }).waitFor();
  const answer = await page.evaluate(() => lab.run('etcdctl get fork'));
  assert.equal(answer.stdout, 'fork\ntaken\n');
  await server.restart();
});
