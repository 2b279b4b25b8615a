// Kubernetes' Python client, over TLS, against `lab serve`: what it expects is in client.py.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { folder, kubectlIsMissing, PYTHON, pythonIsMissing, root, serve } from './harness.mjs';

test('the Python client lists, watches, resumes, creates, patches and applies', { skip: pythonIsMissing() || kubectlIsMissing() }, async (t) => {
  const { environment, ready, type } = await serve(t, folder(t));
  const script = join(root, 'tests/clients/client.py');
  const client = spawn(PYTHON, ['-u', script, environment.KUBECONFIG], { env: environment });
  const said = { stdout: '', stderr: '' };
  client.stderr.setEncoding('utf8').on('data', (text) => { said.stderr += text; });
  client.stdout.setEncoding('utf8').on('data', async (text) => {
    said.stdout += text;
    if (!text.includes('restart the server')) return;
    type('lab restart apiserver-1');
    await sleep(500);
    await ready();
    client.stdin.write('done\n');
  });
  const [status] = await once(client, 'close');
  assert.equal(status, 0, said.stderr);
  assert.match(said.stdout, /all held\n$/);
});
