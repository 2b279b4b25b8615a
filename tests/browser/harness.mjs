// What every browser test stands on: real Chromium, the release page under a sub-path, and a server that can die.
//
// Contract: a page that logs an error or throws fails the test that opened it, unless the test says which it expects.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { serve } from '../../tools/serve.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** The built page. */
export const DIST = process.env.LAB_DIST ?? join(root, 'dist');

/** Deep on purpose: the page must not assume that it is at the top of its host. */
export const SUB_PATH = '/some/where/';

/** Chromium, headless; `$CHROMIUM` names another one. Missing is an error, never a skip. */
export async function launch(options = {}) {
  const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
    .find((path) => path && existsSync(path));
  if (!executablePath) throw new Error('no Chromium found: run tools/setup.sh browser, or set CHROMIUM to its path');
  return chromium.launch({
    executablePath,
    // Without a sandbox because CI runs as root; without anything that reaches for the network by itself.
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
    ...options,
  });
}

/**
 * Serves the built page, or `folder`, under the sub-path: { url, kill, restart }. With a test `t` it dies with the test;
 * without, who starts it kills it.
 */
export async function startServer(t = null, folder = DIST) {
  if (!existsSync(join(folder, 'index.html'))) throw new Error(`no page in ${folder}: run \`make dist\``);
  const server = await serve({ folder, base: SUB_PATH });
  t?.after(() => server.kill());
  return server;
}

/** One browser and one server of the built page for all tests of a file that calls `standUp`. */
export let browser;
export let server;
export function standUp() {
  before(async () => {
    [browser, server] = await Promise.all([launch(), startServer()]);
  });
  after(async () => {
    await browser?.close();
    await server?.kill();
  });
}

/** A copy of the built page that a test may change; gone when the test ends. */
export function copyOfDist(t) {
  const folder = mkdtempSync(join(tmpdir(), 'lab-dist-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(DIST, folder, { recursive: true });
  return folder;
}

/**
 * A page in a context of its own, so with storage and service workers of its own. Closed when the test `t` ends, which
 * then fails if the page complained. `expected` lists patterns of complaints that belong to the test.
 */
export async function newPage(t, browser, { expected = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  context.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => complaints.push(`page error: ${error.stack ?? error}`));
  page.on('crash', () => complaints.push('the page crashed'));
  t.after(async () => {
    await context.close();
    const unexpected = complaints.filter((line) => !expected.some((pattern) => pattern.test(line)));
    assert.deepEqual(unexpected, [], 'the page complained');
  });
  page.complaints = complaints;
  return page;
}

/** Opens `url` and waits until the page stands. */
export async function boot(page, url) {
  await page.goto(url);
  await page.locator('h1').first().waitFor();
}

/** Waits until the service worker of `version`, or any, has taken over the page. */
export async function workerInCharge(page, version = null) {
  await page.waitForFunction(async (wanted) => {
    const registration = await navigator.serviceWorker.ready;
    if (!navigator.serviceWorker.controller || registration.active?.state !== 'activated') return false;
    return !wanted || (await caches.keys()).some((name) => name.endsWith(` ${wanted}`));
  }, version, { timeout: 15_000 });
}

/** The hash that the build in `folder` was stamped with. */
export function stampOf(folder) {
  return readFileSync(join(folder, 'sw.js'), 'utf8').match(/const BUILD = \{"version":"([0-9a-f]+)"/)?.[1];
}

/** Accessibility violations of serious or critical impact, each as a line of text. */
export async function axe(page, context = undefined) {
  const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  await page.evaluate(source);
  const { violations } = await page.evaluate((part) => globalThis.axe.run(part ?? document), context);
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, impact, help, nodes }) => nodes.map(({ target }) => `${impact}: ${id}: ${help}: ${target.join(' ')}`));
}

/** A picture for a human to look at, in `$LAB_SHOTS` or the temporary folder; resolves to its path. */
export async function screenshot(page, name) {
  const folder = process.env.LAB_SHOTS ?? join(tmpdir(), 'lab-shots');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.png`);
  await page.screenshot({ path });
  return path;
}

/** Cuts the browser's network (`false` mends it). A killed server is the harder test: see `startServer`. */
export function offline(page, cut = true) {
  return page.context().setOffline(cut);
}

/** Times between frames over `ms`, in milliseconds: { count, p50, p99, max }. */
export async function frameTimes(page, ms) {
  const times = await page.evaluate((duration) => new Promise((resolve) => {
    const gaps = [];
    let start = null;
    let last = null;
    const frame = (now) => {
      if (last !== null) gaps.push(now - last);
      start ??= now;
      last = now;
      if (now - start < duration) requestAnimationFrame(frame);
      else resolve(gaps);
    };
    requestAnimationFrame(frame);
  }), ms);
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
  return { count: times.length, p50: at(0.5), p99: at(0.99), max: times.at(-1) };
}

/** The page's own work per frame over `ms`, in milliseconds: { count, p50, p99, max } of the main thread's processor time. */
export async function frameWork(page, ms) {
  const client = await page.context().newCDPSession(page);
  const events = [];
  client.on('Tracing.dataCollected', ({ value }) => events.push(...value));
  const complete = new Promise((resolve) => client.once('Tracing.tracingComplete', resolve));
  await client.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: { includedCategories: ['devtools.timeline', 'disabled-by-default-devtools.timeline'] },
  });
  await page.waitForTimeout(ms);
  await client.send('Tracing.end');
  await complete;
  await client.detach();
  const animation = events.filter(({ name, ph }) => name === 'FireAnimationFrame' && ph === 'X');
  const thread = animation[0] && `${animation[0].pid}.${animation[0].tid}`;
  const tasks = events.filter(({ name, ph, pid, tid }) => name === 'RunTask' && ph === 'X' && `${pid}.${tid}` === thread)
    .sort((a, b) => a.ts - b.ts);
  const holds = (task) => animation.some(({ ts }) => ts >= task.ts && ts <= task.ts + (task.dur ?? 0));
  const busy = [];
  for (const task of tasks) {
    // The task of the animation callbacks begins a frame; what runs until the next one belongs to it.
    if (holds(task)) busy.push(0);
    // Time on the processor: what other programs of a shared machine take is not the page's.
    if (busy.length > 0) busy[busy.length - 1] += (task.tdur ?? task.dur ?? 0) / 1000;
  }
  busy.sort((a, b) => a - b);
  const at = (share) => busy[Math.min(busy.length - 1, Math.floor(busy.length * share))] ?? 0;
  return { count: busy.length, p50: at(0.5), p99: at(0.99), max: busy.at(-1) ?? 0 };
}

/** Runs `work` under the CPU profiler; writes a .cpuprofile that DevTools opens and returns self times, worst first. */
export async function cpuProfile(page, name, work) {
  const client = await page.context().newCDPSession(page);
  await client.send('Profiler.enable');
  await client.send('Profiler.start');
  await work();
  const { profile } = await client.send('Profiler.stop');
  await client.detach();
  const path = join(process.env.LAB_SHOTS ?? tmpdir(), `${name}.cpuprofile`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(profile));
  const self = new Map();
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  profile.samples.forEach((id, i) => {
    const { functionName, url } = byId.get(id).callFrame;
    const key = `${functionName || '(anonymous)'} ${url.split('/').at(-1)}`.trim();
    self.set(key, (self.get(key) ?? 0) + profile.timeDeltas[i] / 1000);
  });
  return { path, self: [...self].map(([where, ms]) => ({ where, ms })).sort((a, b) => b.ms - a.ms) };
}

/** Bytes of JavaScript heap in use after a collection; wasm memory is not in it. */
export async function heapBytes(page) {
  const client = await page.context().newCDPSession(page);
  await client.send('HeapProfiler.collectGarbage');
  const { usedSize } = await client.send('Runtime.getHeapUsage');
  await client.detach();
  return usedSize;
}
