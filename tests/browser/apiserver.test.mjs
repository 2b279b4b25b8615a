// The views of API servers: the card on the stage, requests stage by stage, watch caches, sequences, the registry.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axe, boot, browser, newPage, server, standUp } from './harness.mjs';

standUp();

/** A world of three members and an API server, six seconds old, in which these lines were run and time stands. */
async function open(t, lines = [], { scenario = 'members=3 apiservers=1', ...options } = {}) {
  const page = await newPage(t, browser, options);
  await boot(page, server.url);
  await page.waitForFunction(() => window.lab);
  await page.evaluate((scenario) => {
    lab.pause();
    lab.open(`control-plane-lab 1\nscenario ${scenario}\nseed 7\nmoment 6000000 0\n`);
  }, scenario);
  await page.waitForFunction(() => lab.now() === 6000);
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

const show = async (page, key) => {
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press(key);
};

const SHELF = ['kubectl create configmap shelf --from-literal=book=first', 'kubectl label configmap shelf row=two'];

test('an API server stands on the stage, dies and comes back', async (t) => {
  const page = await open(t, SHELF);
  const card = page.getByRole('button', { name: /^API server apiserver-1, / });
  assert.match(await card.getAttribute('aria-label'), /^API server apiserver-1, ready, 0 requests · 0 watches · rev \d+$/);
  await card.focus();
  await page.keyboard.press('Enter');
  const inspector = page.locator('.inspector');
  await inspector.getByText('API server', { exact: true }).waitFor();
  await inspector.getByRole('button', { name: 'Kill' }).click();
  await page.getByRole('button', { name: 'API server apiserver-1, not running' }).waitFor();
  await inspector.getByRole('button', { name: 'Start' }).click();
  await page.getByRole('button', { name: /^API server apiserver-1, fills caches, 0 of / }).waitFor();
  // Wires lead to it as to any machine.
  assert.equal(await page.getByRole('button', { name: /^link .* to apiserver-1, healthy$/ }).count(), 4);
});

test('a request is told stage by stage, with what each said', async (t) => {
  const page = await open(t, SHELF);
  await show(page, '9');
  const view = page.getByRole('region', { name: 'API server' });
  const stages = view.getByRole('list', { name: 'Stages that it passed' }).getByRole('button');
  // The newest is the patch; the create is chosen by the keyboard.
  await view.locator('.pipeline-title').getByText('patch').waitFor();
  const create = view.locator('.pipeline-row').filter({ hasText: 'create' });
  await view.locator('.pipeline-row').first().focus();
  for (let n = 0; n < 20 && !(await create.evaluate((row) => row === document.activeElement)); n++) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await view.locator('.pipeline-title').getByText('create').waitFor();
  assert.deepEqual(await stages.allTextContents(), ['authentication', 'priority and fairness', 'authorization', 'decoding',
    'mutating admission', 'validation', 'validating admission', 'storage', 'etcd', 'encoding']);
  await view.getByText('kubernetes-admin, by token-file').waitFor();
  await view.locator('.pipeline-facts').getByText(/^201 · terminal 1 · /).waitFor();
  // Every stage is an event with its causes.
  await stages.nth(2).click();
  await page.locator('.inspector').getByText(/authorization: system:masters may do everything/).first().waitFor();
  assert.deepEqual(await axe(page, '.apiserver'), []);
});

test('a refusal says where it happened and why', async (t) => {
  const page = await open(t);
  await page.evaluate(() => lab.run('kubectl create configmap shelf --as=nobody'));
  await show(page, '9');
  const refused = page.locator('.stage-passed.refused');
  await refused.getByText('authorization').waitFor();
  assert.match(await refused.textContent(), /User "nobody" cannot create resource "configmaps"/);
  await page.locator('.pipeline-facts.bad').getByText(/^403 · /).waitFor();
});

test('the sequence of a request goes from the terminal to the members and back', async (t) => {
  const page = await open(t, SHELF);
  await show(page, '9');
  await page.locator('.pipeline-row').filter({ hasText: 'create' }).click();
  await page.getByRole('button', { name: 'Sequence' }).click();
  const view = page.getByRole('region', { name: 'Sequence', exact: true });
  await view.waitFor();
  const lanes = await view.locator('.sequence-lane').allTextContents();
  assert.equal(lanes.length, 5);
  assert.deepEqual(lanes.slice(0, 2), ['you', 'apiserver-1']);
  assert.match(lanes[2], /^etcd-\d ★$/);
  for (const name of [/^POST configmaps at /, /^TxnRequest at /, /^MsgApp \d+ at /, /^TxnResponse at /, /^201 Created at /]) {
    await view.getByRole('button', { name }).first().waitFor();
  }
  await view.getByRole('button', { name: /^storage, / }).first().waitFor();
  // An arrow is a message, which the inspector explains.
  await view.getByRole('button', { name: /^TxnRequest at / }).focus();
  await page.keyboard.press('Enter');
  await page.locator('.inspector').getByText(/^TxnRequest apiserver-1 → etcd-/).waitFor();
  // A command without any API server has its sequence as well.
  await page.evaluate(() => lab.run('etcdctl put /shelf/a 1'));
  await view.getByLabel('Always the newest').check();
  await view.getByRole('button', { name: /^PutRequest at / }).waitFor();
  assert.deepEqual(await axe(page, '.sequence'), []);
});

test('a watch cache shows its ring, who watches and how far they are', async (t) => {
  const page = await open(t, SHELF);
  await page.evaluate(() => lab.input('line 2 kubectl get configmaps --watch'));
  await page.evaluate(() => lab.run('kubectl create configmap other'));
  await page.evaluate(() => lab.run('kubectl delete configmap shelf'));
  await show(page, '9');
  await page.getByRole('button', { name: 'Watch caches' }).click();
  const list = page.getByRole('list', { name: 'Watch caches' });
  await list.getByRole('button', { name: /^configmaps / }).click();
  const sheet = page.getByRole('region', { name: 'The chosen cache' });
  await sheet.getByText('ConfigMap of v1').waitFor();
  assert.deepEqual(await sheet.locator('.caches-events .kind').allTextContents(), ['DELETED', 'ADDED', 'MODIFIED', 'ADDED']);
  await sheet.getByRole('img', { name: /^4 of 100 events, revisions \d+ to \d+$/ }).waitFor();
  await sheet.locator('.caches-watchers').getByText('terminal 2').waitFor();
  await sheet.locator('.caches-watchers').getByText(/has heard all, up to \d+/).waitFor();
  assert.deepEqual(await axe(page, '.apiserver'), []);
});

test('an object of the registry is YAML, fields of Protobuf and bytes', async (t) => {
  const page = await open(t, SHELF);
  await show(page, '4');
  await page.getByPlaceholder('Filter keys').fill('/registry/configmaps/default/shelf');
  await page.getByRole('treeitem', { name: /shelf/ }).click();
  const sheet = page.getByRole('region', { name: 'The chosen key' });
  await sheet.getByText('Protobuf: v1 ConfigMap').waitFor();
  assert.match(await sheet.locator('.keys-text').textContent(), /^apiVersion: v1\ndata:\n  book: first\nkind: ConfigMap\n/);
  await sheet.getByRole('tab', { name: 'Protobuf' }).click();
  const field = sheet.getByRole('list', { name: 'Fields of the message' }).getByRole('listitem').filter({ hasText: 'Data["book"]' });
  assert.equal(await field.textContent(), '2Data["book"]string"first"');
  await sheet.getByRole('tab', { name: 'Bytes' }).click();
  const first = (await sheet.locator('.keys-hex').textContent()).split('\n')[0];
  assert.match(first, /^0000  6b 38 73 00 .*k8s\\0, apiVersion, kind/);
  await sheet.getByRole('tab', { name: /^Diff/ }).click();
  const changed = await sheet.locator('.keys-diff .added').allTextContents();
  assert.ok(changed.some((line) => line.includes('row: two')), changed.join('\n'));
  // What is no Protobuf has no such fields.
  await page.evaluate(() => lab.run('etcdctl put /shelf/a 1'));
  await page.getByPlaceholder('Filter keys').fill('/shelf/');
  await page.getByRole('treeitem', { name: /^a / }).click();
  assert.equal(await sheet.getByRole('tab', { name: 'Protobuf' }).count(), 0);
});

test('a world without API servers says so and offers one', async (t) => {
  const page = await open(t, [], { scenario: 'members=1' });
  await show(page, '9');
  await page.getByRole('button', { name: 'Begin this world anew with an API server' }).click();
  await page.getByRole('region', { name: 'API server' }).getByText('apiserver-1').first().waitFor();
});
