// What the page costs a visitor, measured in Chromium on this machine: `make bench`. Figures only; the tests judge.

import { firstPage } from '../../tools/size.mjs';
import { boot, DIST, frameTimes, frameWork, launch, startServer, workerInCharge } from './harness.mjs';

const ROUNDS = 10;

const report = (what, value) => console.log(`${what.padEnd(60)}${value}`);
const times = (values) => {
  values.sort((a, b) => a - b);
  return `median ${values[values.length >> 1].toFixed(0)} ms, worst ${values.at(-1).toFixed(0)} ms of ${values.length}`;
};
const frames = ({ count, p50, p99, max }) =>
  `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms of ${count} frames`;

const [browser, server] = await Promise.all([launch(), startServer()]);
try {
  const { total, later } = firstPage(DIST);
  report('first page, all files, brotli', `${total} bytes`);
  report('code that follows the first page, brotli', `${later} bytes`);

  const cold = [];
  const again = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    let start = performance.now();
    await boot(page, server.url);
    cold.push(performance.now() - start);
    await workerInCharge(page);
    start = performance.now();
    await boot(page, server.url);
    again.push(performance.now() - start);
    await context.close();
  }
  report('navigation to heading, nothing cached', times(cold));
  report('navigation to heading, service worker in charge', times(again));

  // The member's card says so, in its name for screen readers too.
  const elected = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    const start = performance.now();
    await page.goto(server.url);
    await page.waitForFunction(() => document.querySelector('.cluster')?.textContent.includes('leader'), null, { polling: 'raf' });
    elected.push(performance.now() - start);
    await context.close();
  }
  report('navigation to a leader elected on screen, nothing cached', times(elected));

  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await boot(page, server.url);
  await page.waitForFunction(() => window.lab?.now() > 3000);
  const speed = (index) => page.getByRole('slider', { name: 'Speed' }).fill(String(index));
  for (const [index, name] of [[5, '1x'], [2, '1/100']]) {
    await speed(index);
    report(`time between frames, playing at ${name}, idle cluster, 5 s`, frames(await frameTimes(page, 5000)));
    // A write under way all the time, so that there is something to draw.
    await page.evaluate(() => lab.input('line 1 for i in $(seq 3000); do etcdctl put key-$i $i; done'));
    report(`time between frames, playing at ${name}, writes without pause, 5 s`, frames(await frameTimes(page, 5000)));
    report(`main thread busy per frame at ${name}, writes without pause, 5 s`, frames(await frameWork(page, 5000)));
    await page.evaluate(() => lab.input('interrupt 1'));
  }

  const idle = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await idle.goto(`${server.url}#lesson=`);
  await idle.waitForFunction(() => window.lab?.now() > 3000);
  const [run, back] = await idle.evaluate(() => {
    lab.pause();
    const timed = (ms) => { const start = performance.now(); lab.seek(ms); return performance.now() - start; };
    const start = lab.now();
    const forward = timed(600_000);
    const backs = [];
    for (let round = 0; round < 10; round += 1) {
      backs.push(timed(180_000));
      timed(600_000);
    }
    return [(600_000 - start) / forward, backs];
  });
  report('virtual seconds per real second, idle cluster, in the page', run.toFixed(0));
  report('rewind from minute 10 to minute 3, in the page', times(back));

  // The engine alone, beside the world on the page, each in a page of its own.
  const load = async (text) => {
    const context = await browser.newContext();
    const own = await context.newPage();
    await own.goto(server.url);
    await own.waitForFunction(() => window.lab?.now() > 1000);
    const value = await own.evaluate((what) => { lab.pause(); return lab.load(what); }, text);
    await context.close();
    return value;
  };
  const median = async (text) => {
    const rounds = [];
    for (let round = 0; round < 5; round += 1) rounds.push(await load(text));
    return rounds.sort((a, b) => a - b)[2];
  };
  const rate = (count, ms) => `${Math.round((count * 1000) / ms).toLocaleString('en')} a second`;
  for (const what of ['put', 'txn', 'range', 'serializable-range']) {
    report(`${what} through three members, 64 in flight, in the page`, rate(10_000, await median(`${what} 10000`)));
  }
  report('one range of 100,000 keys, in the page', `${(await median('range-all 1')).toFixed(0)} ms`);
  report('one write to 10,000 watchers, in the page', `${(await median('watch 10000')).toFixed(0)} ms`);
  report('restart from a snapshot of 1,000,000 keys, in the page', `${((await load('restart 1000000')) / 1000).toFixed(1)} s`);
  report('memory per key with a value of 100 B, in the page', `${Math.round((await load('memory 400000')) / 400_000)} B`);
} finally {
  await browser.close();
  await server.kill();
}
