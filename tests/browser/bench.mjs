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
  report('first page, all files, brotli', `${firstPage(DIST).total} bytes`);

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

  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await boot(page, server.url);
  report('time between frames, page as it opens, 3 s', frames(await frameTimes(page, 3000)));
  report('main thread busy per animation frame, 3 s', frames(await frameWork(page, 3000)));
} finally {
  await browser.close();
  await server.kill();
}
