// A static file server for the built page: no dependency, no cleverness. Used by `make run` and by the browser tests.
//
//   node tools/serve.mjs [--port 8080] [--live] [FOLDER]
//
// With --live, lessons are read from the source folder, so that an edited one needs only a reload.

import { createReadStream, realpathSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.md': 'text/markdown; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
};

/**
 * Serves `folder` under the path `base`. `overlays` maps a path prefix to another folder that is asked first.
 * Resolves, once listening, to { url, kill, restart }: killed, every connection is cut and the port refuses.
 */
export async function serve({ folder, base = '/', host = '127.0.0.1', port = 0, overlays = {} }) {
  const answer = async (request, response) => {
    const path = decode(new URL(request.url, 'http://localhost').pathname);
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405, 'only GET and HEAD');
    if (path === null || !path.startsWith(base)) return refuse(response, 404, 'not found');
    let name = normalize(path.slice(base.length)).replaceAll('\\', '/');
    if (name === '.' || name.endsWith('/')) name = join(name, 'index.html');
    if (name.startsWith('..')) return refuse(response, 404, 'not found');
    for (const file of candidates(name)) {
      const found = await stat(file).catch(() => null);
      if (!found?.isFile()) continue;
      const etag = `"${found.size.toString(16)}-${Math.trunc(found.mtimeMs).toString(16)}"`;
      // Browsers may keep what they get but must ask each time: a rebuilt page is seen at once.
      const headers = { 'cache-control': 'no-cache', 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', etag };
      if (request.headers['if-none-match'] === etag) return response.writeHead(304, headers).end();
      response.writeHead(200, { ...headers, 'content-length': found.size });
      if (request.method === 'HEAD') return response.end();
      return createReadStream(file).on('error', () => response.destroy()).pipe(response);
    }
    return refuse(response, 404, 'not found');
  };
  const candidates = (name) => [
    ...Object.entries(overlays).filter(([prefix]) => name.startsWith(`${prefix}/`))
      .map(([prefix, source]) => join(source, name.slice(prefix.length + 1))),
    join(folder, name),
  ];
  const listen = (wanted) => new Promise((resolve, reject) => {
    const server = createServer((request, response) => {
      answer(request, response).catch((error) => refuse(response, 500, error.message));
    });
    server.once('error', reject);
    server.listen(wanted, host, () => resolve(server));
  });

  let server = await listen(port);
  const bound = server.address().port;
  return {
    url: `http://${host}:${bound}${base}`,
    async kill() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
    async restart() {
      server = await listen(bound);
    },
  };
}

function decode(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return null;
  }
}

function refuse(response, status, text) {
  if (!response.headersSent) response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    options: { port: { type: 'string', default: '8080' }, live: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const overlays = values.live ? { lessons: 'lessons' } : {};
  try {
    const { url } = await serve({ folder: positionals[0] ?? 'dist', port: Number(values.port), overlays });
    console.log(`Control Plane Lab is at ${url} (Ctrl-C stops it)`);
  } catch (error) {
    if (error.code !== 'EADDRINUSE') throw error;
    console.error(`port ${values.port} is taken: stop what uses it, or choose another with \`make run PORT=8081\``);
    process.exitCode = 1;
  }
}
