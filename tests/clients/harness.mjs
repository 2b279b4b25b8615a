// What the tests of real clients stand on: `lab serve`, the clients that tools/setup.sh installed, and a folder for them.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');

/** The program under test, built with the feature `serve`; `$LAB` names another one. */
export const LAB = process.env.LAB ?? join(target, 'debug', 'lab');
const installed = join(root, '.tools', 'clients');
export const KUBECTL = join(installed, 'kubectl', 'kubectl');
export const PYTHON = join(installed, 'python', 'bin', 'python');

/** One world on both sides of every comparison. */
export const WORLD = ['--scenario', 'members=1 apiservers=1', '--seed', '7'];

/** Why these tests cannot run on this machine, or false. What should be there and is not, is an error and never a skip. */
export function kubectlIsMissing() {
  if (existsSync(KUBECTL)) return false;
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'the real kubectl is packed for Linux on x86-64 only';
  throw new Error('no kubectl: run tools/setup.sh clients');
}

export function pythonIsMissing() {
  if (existsSync(PYTHON)) return false;
  if (spawnSync('python3', ['--version']).error) return 'there is no python3 on this machine';
  throw new Error('no Python client: run tools/setup.sh clients');
}

/** An empty folder that dies with the test. */
export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'lab-clients-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** `lab serve` in a folder, ready: the environment for its clients, and `type` for its terminal. It dies with the test. */
export async function serve(t, home) {
  const kubeconfig = join(home, 'kubeconfig');
  const server = spawn(LAB, ['serve', ...WORLD, '--kubeconfig', kubeconfig], { stdio: ['pipe', 'ignore', 'pipe'] });
  let said = '';
  server.stderr.on('data', (bytes) => { said += bytes; });
  t.after(() => server.kill());
  const environment = { HOME: home, KUBECONFIG: kubeconfig, PATH: `${dirname(KUBECTL)}:${process.env.PATH}` };
  const ready = async () => {
    for (let attempt = 0; attempt < 300; attempt += 1) {
      if (server.exitCode !== null) throw new Error(`lab serve ended: ${said}`);
      if (existsSync(kubeconfig)) {
        const { status } = spawnSync(KUBECTL, ['get', '--raw', '/readyz'], { env: environment });
        if (status === 0) return;
      }
      await sleep(100);
    }
    throw new Error(`lab serve was not ready within half a minute: ${said}`);
  };
  await ready();
  return { environment, ready, type: (line) => server.stdin.write(`${line}\n`) };
}
