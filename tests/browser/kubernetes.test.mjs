// API servers and kubectl in the page: chosen in the form for a new world, and answering as the engine does natively.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boot, browser, newPage, server, standUp } from './harness.mjs';

standUp();

test('a world with an API server answers kubectl', { timeout: 120_000 }, async (t) => {
  const page = await newPage(t, browser);
  await boot(page, server.url);
  await page.getByRole('heading', { name: 'Kill the leader' }).waitFor();
  await page.waitForFunction(() => document.querySelector('.cluster')?.textContent.includes('leader'));
  const before = await page.evaluate(() => { lab.pause(); return lab.now(); });
  await page.getByRole('button', { name: 'World', exact: true }).click();
  await page.getByRole('button', { name: 'New world' }).click();
  await page.getByRole('group', { name: 'API servers' }).getByRole('radio', { name: '1', exact: true }).check();
  assert.equal(await page.getByLabel('As text').inputValue(), 'members=3 apiservers=1');
  await page.getByRole('button', { name: 'Begin', exact: true }).click();
  await page.waitForFunction((moment) => lab.now() < moment, before);

  // Typed as a person does, in one terminal.
  const log = page.getByRole('log', { name: 'Output of terminal 1' });
  await page.locator('#terminal-input-0').focus();
  await page.keyboard.type('kubectl version');
  await page.keyboard.press('Enter');
  await log.getByText('Server Version: v1.35.2').waitFor({ timeout: 60_000 });

  const run = (line) => page.evaluate(async (text) => { lab.pause(); return lab.run(text); }, line);
  const namespaces = await run('kubectl get ns');
  assert.match(namespaces.stdout, /^NAME +STATUS +AGE\ndefault +Active +\d+s\nkube-node-lease +Active +\d+s\nkube-public +Active +\d+s\nkube-system +Active +\d+s\n$/);
  assert.equal((await run('kubectl create configmap a --from-literal=x=1')).stdout, 'configmap/a created\n');
  const { stdout, stderr, code } = await run('kubectl get cm a -o yaml');
  assert.match(stdout, /^apiVersion: v1\ndata:\n {2}x: "1"\nkind: ConfigMap\nmetadata:\n {2}creationTimestamp: "[-0-9T:]+Z"\n {2}name: a\n {2}namespace: default\n {2}resourceVersion: "\d+"\n {2}uid: [-0-9a-f]{36}\n$/);
  assert.deepEqual([stderr, code], ['', 0]);
  // It lies in the members' stores, as bytes.
  assert.equal((await run('etcdctl get /registry/configmaps/default/a --keys-only')).stdout, '/registry/configmaps/default/a\n\n');
  const missing = await run('kubectl get cm b');
  assert.equal(missing.stderr, 'Error from server (NotFound): configmaps "b" not found\n');
  assert.equal(missing.code, 1);
});
